import Syscalls

/// A host has one guard: two would undo each other's work. Held for the life of the process, and gone with it.
public final class GuardClaim: Sendable {
    /// Not the bare name: that is of the synthetic pod it probes from.
    private let name: ClaimedName

    /// Another guard runs in this network namespace.
    public struct Refusal: Error, CustomStringConvertible {
        /// For the operator.
        public let description: String
    }

    /// Claims the host. While pods are replaced the one before may still be there: whoever starts guards tries again.
    public init() throws(Refusal) {
        do throws(Errno) {
            name = try ClaimedName("apus-guard/host")
        } catch {
            throw Refusal(
                description: error == .addressInUse
                    ? "another apus-guard runs on this host: stop it first" : "the name of this host's guard: \(error)")
        }
    }
}
