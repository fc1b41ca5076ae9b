import Loopback
import Testing

/// Tests of `apusd` as a process; the files beside this one extend it.
@Suite(.serialized, AloneTrait(), OwnThreadTrait()) enum RunningDaemon {}
