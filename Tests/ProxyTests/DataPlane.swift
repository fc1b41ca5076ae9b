import Loopback
import Testing

/// Tests of the data plane with real sockets; the files beside this one extend it. One after the other, because several
/// move more than the others' timing could stand.
@Suite(.serialized, AloneTrait(), OwnThreadTrait()) enum DataPlane {}
