import Interception
import Syscalls

/// A host has one guard: two would undo each other's work. Held for the life of the process, and gone with it.
public final class GuardClaim: Sendable {
    private let lock: FileLock

    /// Another guard runs in this network namespace.
    public struct Refusal: Error, CustomStringConvertible {
        /// For the operator.
        public let description: String
    }

    /// Claims the host. While pods are replaced the one before may still be there: whoever starts guards tries again.
    public init() throws(Refusal) {
        do throws(InterceptionError) {
            guard let lock = try HostDirectory.lock("guard") else {
                throw .refused(["another apus-guard runs on this host: stop it first"])
            }
            self.lock = lock
        } catch {
            throw Refusal(description: "\(error)")
        }
    }
}
