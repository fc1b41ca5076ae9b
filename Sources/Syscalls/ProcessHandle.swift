import CLinux
import Glibc

/// Another process, held by a pidfd: its number cannot come to mean somebody else.
public struct ProcessHandle: ~Copyable, Sendable {
    /// Its number, in this PID namespace.
    public let number: Int32
    /// For registration with a poller: readable once it has ended.
    public let descriptor: Descriptor

    /// Takes hold of the live process `number`. Linux 5.3.
    public init(_ number: Int32) throws(Errno) {
        self.number = number
        descriptor = Descriptor(taking: try Errno.check(apus_open_process(number)))
    }

    /// Ends it, whatever state it is in. One that has ended already: `ESRCH`.
    public func kill() throws(Errno) { try Errno.check(apus_signal_process(descriptor.number, SIGKILL)) }
}
