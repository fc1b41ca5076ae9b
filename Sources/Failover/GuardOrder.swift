import Interception
import Model
import Syscalls

/// What the guard's thread is told by the rest of the guard.
enum GuardOrder: Sendable {
    /// Another configuration.
    case configure(Configuration.Failover, Landmarks)
    /// What an operator says.
    case force(ForcedMode)
    /// The rules are (or were found) as desired; whether they lead past a proxy that does not listen by themselves.
    case rulesSettled(fallsThrough: Bool)
    /// There are rules, right or not.
    case rulesInstalled(fallsThrough: Bool)
    /// There are none.
    case rulesGone
    /// A synthetic pod to probe from.
    case pod(Parcel<SyntheticPod>)
    /// Who listens now.
    case listeners([Parcel<ProcessHandle>], socketCount: Int?)
    /// End.
    case stop
}
