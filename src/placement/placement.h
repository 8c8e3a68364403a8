// The room's front door: everything a planner of Aloft offers.
//
//   State::make(farm)             what is taken and free
//   Admission(state, tolerance)   place(), verdict(), prove(), recover(): launches that keep N+k
//   recover(state, lost_hosts)    who starts where after a loss
//   balance(state, options)       one round; Balancer over time, without a second move
//   evacuate(), consolidate()     leaving hosts
//   repair_replicas(), even_out_replicas()
//   check_rules(farm)             whether the rules can hold together
//   explain(...)                  a sentence for every move, refusal and verdict
#pragma once

#include "placement/admission.h"
#include "placement/balance.h"
#include "placement/balancer.h"
#include "placement/evacuate.h"
#include "placement/farm.h"
#include "placement/load.h"
#include "placement/plan.h"
#include "placement/recover.h"
#include "placement/replicas.h"
#include "placement/state.h"
