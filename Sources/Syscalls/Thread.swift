import CLinux
import Glibc

/// A named kernel thread that runs a closure to its end, with the nice value that the process was started with.
public final class Thread: @unchecked Sendable {
    // Sound to share: written once in init before anybody else has the reference.
    private var handle = pthread_t()

    /// Starts `body` on a new thread called `name` (15 bytes at most are kept by the kernel).
    public init(name: String, _ body: @escaping @Sendable () -> Void) throws(Errno) {
        let start = Start(name: name, body: body)
        // The new thread takes this reference over.
        let argument = unsafe Unmanaged.passRetained(start).toOpaque()
        let code = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                // Balanced with passRetained above: exactly one thread gets it.
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                // The string is terminated and lives for the call.
                unsafe String(start.name.prefix(15)).withCString { unsafe apus_name_thread($0) }
                apus_share_priority()
                start.body()
                return nil
            }, argument)
        guard code == 0 else {
            // No thread was made, so the reference is still ours to drop.
            unsafe Unmanaged<Start>.fromOpaque(argument).release()
            throw Errno(code: code)
        }
    }

    /// Rests. Never on a worker.
    public static func sleep(milliseconds: UInt32) { usleep(milliseconds * 1000) }

    /// Nobody waits for it: what it has is given back at its end. Called once, instead of `join`.
    public func detach() { _ = pthread_detach(handle) }

    /// Waits for the end. Called once.
    public func join() { _ = pthread_join(handle, nil) }

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
}
