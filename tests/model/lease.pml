/* The core of leases and take-over, for exhaustive search with spin.
 *
 * Three hosts, one guest whose only disk is mirrored on the hosts in REPLICAS, one linearizable
 * store. Hosts crash, reboot with their old disk, are paused as a whole, or lose their agent alone;
 * messages are lost and arrive late; store requests execute late and lose their answers. An outage of the
 * store, a partition and a slow host need no step of their own: no step of anybody is ever forced,
 * except by the clock (see Clock).
 *
 * Proved in every reachable state (docs/design/0003-lease-model.md ties each rule to the protocol):
 *   S1  acknowledgements of two instances never alternate
 *   S2  two instances never execute at once
 *   S3  every replica that the store calls in sync holds every acknowledged write
 *   S4  only such a replica is opened
 *
 * Each DEFECT_x breaks one rule; model_test.py checks that spin then finds a counter-example. Each
 * REACH_x asserts that something cannot be reached which must be; it guards against a model that
 * is safe because nothing happens in it.
 */
#ifndef REPLICAS
#define REPLICAS 7            /* a bit per host */
#endif
#ifndef MAX_EPOCH
#define MAX_EPOCH 3           /* changes of the record end here */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef PAUSES
#define PAUSES 1
#endif
#ifndef WRITES
#define WRITES 1              /* 0: the guest writes nothing; S2 and S4 alone, in fewer states */
#endif
#ifndef GRANT
#define GRANT 2               /* Tr in ticks */
#endif
#ifndef MARGIN
#define MARGIN 1              /* what the holder deducts; a freeze, or the watchdog, takes less than a tick */
#endif

#define N 3
#define NOBODY 3              /* of to[]: the replica forgot in a crash whom it had granted */
#define BIT(h) (1 << (h))
#define AT(h, g) ((h) * N + (g))
#define IN(h, set) (((set) >> (h)) & 1)

/* Power: what of a host works. */
#define Up 0
#define Down 1
#define Paused 2              /* the whole machine stands still, its clock goes on */
#define AgentPaused 3         /* guest, data plane and watchdog go on without the agent */

/* Instance of the guest on a host. */
#define None 0
#define Frozen 1
#define Running 2

/* The store's record of the volume and, as the two move together here, of the guest. */
byte epoch = 1, owner = 0, in_sync = REPLICAS;
/* One offer of a member, still on its way to the store: compare value (0: none) and member. */
byte add_compare, add_member;

/* Hosts. */
byte power[N];
bit resumed[N];               /* woken up, permission not judged yet */
byte instance[N];

/* What a host last read of the record; known_epoch 0: nothing since boot. */
byte known_epoch[N], known_owner[N], known_sync[N];
/* Members the owner counts although the record it knows does not name them (being added). */
byte counted[N];

/* Replicas: highest epoch made durable; grant given: to whom, ticks to go (grantor's clock). */
byte durable[N], to[N], granted[N];
/* Owner's view of each grant: ticks to go (holder's clock). */
byte held[N * N];
/* Renewal between owner and grantor: 0 none, 1 request, 2 answer; age since it was sent; epoch. */
byte renewal[N * N], age[N * N], renewal_epoch[N * N];

/* One write at a time per instance: pending, members that applied it; frames on their way (epoch, 0: none). */
bit writing[N];
byte applied[N];
byte frame[N * N];

/* Ghosts. */
bit holds[N];                 /* the replica holds every acknowledged write */
bit outlived[N];              /* another instance got an acknowledgement since this one opened */
byte acknowledged_epoch;

byte crashes = CRASHES, pauses = PAUSES;
#ifdef DEFECT_RENEWS_AFTER_AGREEING
byte agreed_wait[N];
#endif
#ifdef DEFECT_WAITS_FOR_THE_LAST_OWNER_ONLY
byte replaced_owner;
#endif
hidden byte i, j;

#define NEEDED(h) ((known_sync[h] | counted[h]) & ~BIT(h))
#define VALID(h, g) (!IN(g, NEEDED(h)) || held[AT(h, g)] > 0)
#define PERMITTED(h) (known_epoch[h] > 0 && known_owner[h] == h && VALID(h, 0) && VALID(h, 1) && VALID(h, 2))
#define EXECUTES(h) (instance[h] == Running && (power[h] == Up || power[h] == AgentPaused) && !resumed[h])
#define ONE_RUNNER (EXECUTES(0) + EXECUTES(1) + EXECUTES(2) <= 1)
#define IN_SYNC_IS_TRUE ((!IN(0, in_sync) || holds[0]) && (!IN(1, in_sync) || holds[1]) && (!IN(2, in_sync) || holds[2]))
#define AGENT_WORKS(h) (power[h] == Up && !resumed[h])
#define DATA_PLANE_WORKS(h) (power[h] == Up || power[h] == AgentPaused)
/* The gate reads the clock itself, at every acknowledgement. */
#ifdef DEFECT_NO_GATE
#define GATE_OPEN(h) true
#else
#define GATE_OPEN(h) PERMITTED(h)
#endif
/* Has every grant that the replica gave run out? */
#ifdef DEFECT_OPENS_EARLY
#define WAITED_OUT(h) true
#else
#ifdef DEFECT_WAITS_FOR_THE_LAST_OWNER_ONLY
#define WAITED_OUT(h) (granted[h] == 0 || to[h] != replaced_owner)
#else
#ifdef DEFECT_RENEWS_AFTER_AGREEING
#define WAITED_OUT(h) (agreed_wait[h] == 0)
#else
#define WAITED_OUT(h) (granted[h] == 0)
#endif
#endif
#endif
#ifdef DEFECT_RENEWS_AFTER_AGREEING
#define AGREED_AGAINST(h, other) false
#else
#define AGREED_AGAINST(h, other) (known_epoch[h] > renewal_epoch[AT(other, h)] && known_owner[h] != other)
#endif
#ifdef DEFECT_ACKNOWLEDGES_WITHOUT_A_SILENT_MEMBER
#define COMPLETE(h) true
#else
#define COMPLETE(h) ((NEEDED(h) & ~applied[h]) == 0)
#endif
/* What a renewal of this age leaves the holder; from OLD on it leaves nothing. */
#ifdef DEFECT_COUNTS_FROM_THE_ANSWER
#define OLD 0
#define LEFT(k) (GRANT - MARGIN)
#else
#ifdef DEFECT_NO_MARGIN
#define LEFT(k) (GRANT - age[k])
#define OLD GRANT
#else
#define LEFT(k) (GRANT - MARGIN - age[k])
#define OLD (GRANT - MARGIN)
#endif
#endif
#ifdef DEFECT_PROMOTES_STALE
#define MAY_BE_PROMOTED(target) IN(target, REPLICAS)
#else
#define MAY_BE_PROMOTED(target) IN(target, in_sync)
#endif
#ifdef DEFECT_DROPS_AN_OFFER_BY_TIMEOUT
#define MAY_TAKE_BACK(h) true
#else
#define MAY_TAKE_BACK(h) (add_compare == 0 && known_epoch[h] == epoch)
#endif
#ifdef DEFECT_SKIPS_THE_EPOCH
#define ACCEPTS(h, e) true
#else
#define ACCEPTS(h, e) (e >= durable[h] && instance[h] == None)
#endif
#ifdef DEFECT_CHANGES_WITHOUT_COMPARE
#define COMPARES(h) true
#else
#define COMPARES(h) (known_epoch[h] == epoch)
#endif

/* Rule R1: what a host acts on is a linearizable read. */
inline read_record(h) {
  if
  :: instance[h] != None && owner != h ->                          /* R12: the generation moved: kill */
     instance[h] = None; writing[h] = 0; applied[h] = 0; outlived[h] = 0;
     held[AT(h, 0)] = 0; held[AT(h, 1)] = 0; held[AT(h, 2)] = 0
  :: else
  fi;
  if
  :: epoch > known_epoch[h] && known_epoch[h] > 0 -> counted[h] = 0  /* R9: the offer is decided */
  :: else
  fi;
#ifdef DEFECT_RENEWS_AFTER_AGREEING
  if
  :: owner == h && known_owner[h] != h -> agreed_wait[h] = granted[h]
  :: else
  fi;
#endif
#ifndef DEFECT_ACTS_UNDER_AN_EPOCH_NOT_DURABLE
  if
  :: instance[h] != None -> durable[h] = epoch                      /* R15: durable before anything is done under it */
  :: else
  fi;
#endif
  known_epoch[h] = epoch; known_owner[h] = owner; known_sync[h] = in_sync
}

/* A change of the record. An offer made under the epoch before can never be executed any more. */
inline changed() { epoch++; add_compare = 0; add_member = 0 }

inline forget(h) {                                                 /* what a crash takes */
  instance[h] = None; resumed[h] = 0; outlived[h] = 0;
  known_epoch[h] = 0; known_owner[h] = 0; known_sync[h] = 0; counted[h] = 0;
  writing[h] = 0; applied[h] = 0; to[h] = 0; granted[h] = 0;
  i = 0;
  do
  :: i < N -> held[AT(h, i)] = 0; renewal[AT(h, i)] = 0; age[AT(h, i)] = 0; renewal_epoch[AT(h, i)] = 0; i++
  :: else -> break
  od;
  i = 0
}

inline drop_renewal(k) { renewal[k] = 0; age[k] = 0; renewal_epoch[k] = 0 }

/* What a host does about itself. */
proctype Host(byte me) {
end:
  do
  :: atomic { AGENT_WORKS(me) && known_epoch[me] != epoch -> read_record(me) }

  /* R3: a host that finds itself owner after a reboot opens under a new epoch. */
  :: atomic { AGENT_WORKS(me) && known_epoch[me] == epoch && known_owner[me] == me && instance[me] == None &&
       durable[me] == epoch && epoch < MAX_EPOCH ->
       changed();
       if
       :: read_record(me)                                          /* the answer came */
       :: skip                                                     /* it was lost */
       fi }

  /* R7: the new owner waits out every grant its own replica has given, makes the epoch durable, opens. */
  :: atomic { AGENT_WORKS(me) && instance[me] == None && PERMITTED(me) && known_epoch[me] > durable[me] &&
       WAITED_OUT(me) ->
       durable[me] = known_epoch[me]; instance[me] = Running; outlived[me] = 0; to[me] = 0;
       assert(ONE_RUNNER);
       assert(!IN(me, in_sync) || holds[me]);
#ifdef REACH_SECOND_TAKE_OVER
       assert(known_epoch[me] < 3)
#endif
     }

  /* R10: permission over: freeze at once, or be reset by the watchdog. */
  :: atomic { AGENT_WORKS(me) && instance[me] == Running && !PERMITTED(me) -> instance[me] = Frozen }
  :: atomic { power[me] == AgentPaused && instance[me] == Running && !PERMITTED(me) -> forget(me); power[me] = Down }
  /* R11: permission again, by a late renewal or because a member was taken out: thaw. */
  :: atomic { AGENT_WORKS(me) && instance[me] == Frozen && PERMITTED(me) ->
       instance[me] = Running;
       assert(ONE_RUNNER);
#ifdef REACH_THAW
       assert(false)
#endif
     }
#ifdef DEFECT_THAWS_WITHOUT_CAS
  :: atomic { AGENT_WORKS(me) && instance[me] == Frozen && known_owner[me] == me -> known_sync[me] = BIT(me) }
#endif

  :: atomic { WRITES && DATA_PLANE_WORKS(me) && instance[me] == Running && !writing[me] ->
       writing[me] = 1; applied[me] = BIT(me) }
  /* R14: acknowledged when every needed member has it and the gate is open. */
  :: atomic { DATA_PLANE_WORKS(me) && instance[me] != None && writing[me] && GATE_OPEN(me) && COMPLETE(me) ->
       assert(!outlived[me]);
       i = 0;
       do
       :: i < N ->
          holds[i] = holds[i] && IN(i, applied[me]);
          if
          :: i != me && instance[i] != None -> outlived[i] = 1
          :: else
          fi;
          i++
       :: else -> break
       od;
       i = 0;
       if
       :: known_epoch[me] > acknowledged_epoch -> acknowledged_epoch = known_epoch[me]
       :: else
       fi;
       writing[me] = 0; applied[me] = 0;
       assert(IN_SYNC_IS_TRUE);
#ifdef REACH_WRITE_OF_A_SECOND_OWNER
       assert(me == 0)
#endif
     }

  /* ---- what goes wrong ---- */
  :: atomic { power[me] != Down && crashes > 0 -> crashes--; forget(me); power[me] = Down }
  :: atomic { power[me] == Down -> power[me] = Up;
#ifndef DEFECT_FORGETS_GRANTS_IN_A_CRASH
       granted[me] = GRANT; to[me] = NOBODY
#endif
     }
  :: atomic { AGENT_WORKS(me) && pauses > 0 -> pauses--; power[me] = Paused }
  :: atomic { AGENT_WORKS(me) && pauses > 0 -> pauses--; power[me] = AgentPaused }
  :: atomic { power[me] == Paused -> power[me] = Up; resumed[me] = (instance[me] == Running) }
  :: atomic { power[me] == AgentPaused -> power[me] = Up }
  /* R10: woken up, the judging thread comes first; the gate needs no such order. */
  :: atomic { resumed[me] -> resumed[me] = 0;
       if
       :: !PERMITTED(me) -> instance[me] = Frozen
       :: else
       fi;
       assert(ONE_RUNNER) }
  od
}

/* What a host does about another one, and the messages between them. */
proctype Pair(byte me; byte other) {
end:
  do
  /* R8: a silent member is taken out by CAS; only the known answer changes what the owner needs. */
  :: atomic { AGENT_WORKS(me) && instance[me] != None && IN(other, known_sync[me]) && COMPARES(me) &&
       epoch < MAX_EPOCH ->
       in_sync = known_sync[me] & ~BIT(other); owner = me;
       changed();
       if
       :: read_record(me)
       :: skip
       fi }

  /* R9: a returning member is counted first (its grant, its completions), then copied, then offered. */
  :: atomic { AGENT_WORKS(me) && instance[me] == Running && counted[me] == 0 && add_compare == 0 && epoch < MAX_EPOCH &&
       known_epoch[me] == epoch && IN(other, REPLICAS) && !IN(other, known_sync[me]) ->
       counted[me] = BIT(other) }
  :: atomic { AGENT_WORKS(me) && instance[me] == Running && IN(other, counted[me]) && add_compare == 0 &&
       PERMITTED(me) && !writing[me] && DATA_PLANE_WORKS(other) ->
       holds[other] = holds[me];
       frame[AT(me, other)] = 0;                                   /* one session per pair: the newer ends the older */
       add_compare = known_epoch[me]; add_member = other;
#ifdef DEFECT_COUNTS_NEW_MEMBER_LATE
       counted[me] = 0
#endif
     }
  /* An offer not made yet can be taken back; one that was made is decided by the store alone. */
  :: atomic { AGENT_WORKS(me) && IN(other, counted[me]) && MAY_TAKE_BACK(me) -> counted[me] = 0 }

  /* R4: the owner asks every grantor it needs; its own deadline runs from here. */
  :: atomic { DATA_PLANE_WORKS(me) && known_epoch[me] > 0 && known_owner[me] == me && IN(other, NEEDED(me)) &&
       renewal[AT(me, other)] == 0 && held[AT(me, other)] < GRANT - MARGIN ->
       renewal[AT(me, other)] = 1; renewal_epoch[AT(me, other)] = known_epoch[me] }
  /* R5: a grantor grants when no grant of another host runs and it has agreed to nothing newer. */
  :: atomic { DATA_PLANE_WORKS(me) && renewal[AT(other, me)] == 1 ->
       if
       :: instance[me] == None && renewal_epoch[AT(other, me)] >= durable[me] &&
          (granted[me] == 0 || to[me] == other) && !AGREED_AGAINST(me, other) ->
          to[me] = other; granted[me] = GRANT; durable[me] = renewal_epoch[AT(other, me)];
          renewal[AT(other, me)] = 2
       :: else -> drop_renewal(AT(other, me))                      /* refused */
       fi }
  /* R6: the holder counts from before it asked, less the margin. */
  :: atomic { DATA_PLANE_WORKS(me) && renewal[AT(me, other)] == 2 ->
       if
       :: known_owner[me] == me && LEFT(AT(me, other)) > held[AT(me, other)] ->
          held[AT(me, other)] = LEFT(AT(me, other))
       :: else
       fi;
       drop_renewal(AT(me, other)) }

  :: atomic { DATA_PLANE_WORKS(me) && writing[me] && IN(other, NEEDED(me)) && !IN(other, applied[me]) &&
       frame[AT(me, other)] == 0 -> frame[AT(me, other)] = known_epoch[me] }
  /* R13: a member refuses what is below its durable epoch. */
  :: atomic { DATA_PLANE_WORKS(me) && frame[AT(other, me)] != 0 ->
       if
       :: ACCEPTS(me, frame[AT(other, me)]) ->
          if
          :: frame[AT(other, me)] < acknowledged_epoch -> holds[me] = 0; assert(IN_SYNC_IS_TRUE)
          :: else
          fi;
          if
          :: writing[other] && frame[AT(other, me)] == known_epoch[other] -> applied[other] = applied[other] | BIT(me)
          :: else
          fi
       :: else
       fi;
       frame[AT(other, me)] = 0 }

  /* Loss. */
  :: atomic { renewal[AT(me, other)] != 0 -> drop_renewal(AT(me, other)) }
  :: atomic { frame[AT(me, other)] != 0 -> frame[AT(me, other)] = 0 }
  od
}

/* The store executes an offer that was long on its way. That one is lost is no step: it is never executed. */
proctype Store() {
end:
  do
  :: atomic { add_compare != 0 && epoch < MAX_EPOCH ->
       in_sync = in_sync | BIT(add_member);
       changed();
       assert(IN_SYNC_IS_TRUE);
#ifdef REACH_MEMBER_RETURNS
       assert(false)
#endif
     }
  od
}

/* R2: a controller on whatever host thinks the owner lost, rightly or not, and names an in-sync replica. That it read
 * long ago makes no difference: the compare fails then. Nor does a lost answer: the new owner reads for itself. */
proctype Controller(byte target) {
end:
  do
  :: atomic { epoch < MAX_EPOCH && target != owner && MAY_BE_PROMOTED(target) ->
#ifdef DEFECT_WAITS_FOR_THE_LAST_OWNER_ONLY
       replaced_owner = owner;
#endif
       in_sync = (in_sync & ~BIT(owner)) | BIT(target); owner = target;
       changed();
       assert(IN_SYNC_IS_TRUE) }
  od
}

#define OVERDUE(h) (DATA_PLANE_WORKS(h) && instance[h] == Running && !PERMITTED(h))

/* R10, time: a freeze, or the reset by the watchdog, takes less than a tick. Nothing else is ever forced. */
proctype Clock() {
end:
  do
  :: atomic { !OVERDUE(0) && !OVERDUE(1) && !OVERDUE(2) &&
       !resumed[0] && !resumed[1] && !resumed[2] ->
       i = 0;
       do
       :: i < N ->
          if
          :: granted[i] > 0 -> granted[i]--; if :: granted[i] == 0 -> to[i] = 0 :: else fi
          :: else
          fi;
#ifdef DEFECT_RENEWS_AFTER_AGREEING
          if
          :: agreed_wait[i] > 0 -> agreed_wait[i]--
          :: else
          fi;
#endif
          j = 0;
          do
          :: j < N ->
             if
             :: held[AT(i, j)] > 0 -> held[AT(i, j)]--
             :: else
             fi;
             if
             :: renewal[AT(i, j)] != 0 && age[AT(i, j)] < OLD -> age[AT(i, j)]++
             :: else
             fi;
             j++
          :: else -> break
          od;
          i++
       :: else -> break
       od;
       i = 0; j = 0 }
  od
}

init {
  atomic {
    i = 0;
    do
    :: i < N ->
       known_epoch[i] = 1; known_owner[i] = 0; known_sync[i] = REPLICAS;
       holds[i] = IN(i, REPLICAS); durable[i] = IN(i, REPLICAS);
       if
       :: i != 0 && IN(i, REPLICAS) -> held[AT(0, i)] = GRANT - MARGIN; granted[i] = GRANT
       :: else
       fi;
       i++
    :: else -> break
    od;
    i = 0;
    instance[0] = Running;
    run Store(); run Clock();
    i = 0;
    do
    :: i < N ->
       if
       :: IN(i, REPLICAS) ->
          run Host(i); run Controller(i);
          j = 0;
          do
          :: j < N ->
             if
             :: j != i && IN(j, REPLICAS) -> run Pair(i, j)
             :: else
             fi;
             j++
          :: else -> break
          od
       :: else
       fi;
       i++
    :: else -> break
    od;
    i = 0; j = 0
  }
}
