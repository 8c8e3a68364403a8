// The room's front door: everything a planner of Aloft offers.
//
//   State::make(farm)             what is taken and free
//   Admission(state, tolerance)   place(), verdict(), prove(): launches that keep N+k
//   recover(state, lost_hosts)    who starts where after a loss
//   check_rules(farm)             whether the rules can hold together
#pragma once

#include "placement/admission.h"
#include "placement/farm.h"
#include "placement/plan.h"
#include "placement/recover.h"
#include "placement/state.h"
