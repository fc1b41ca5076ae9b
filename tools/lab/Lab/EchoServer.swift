import CLab
import Foundation
import Glibc
import Model
import Synchronization

/// A pod's application: greets each client with what it sees, then echoes; a client's end is answered with an end.
///
/// One epoll thread serves any number of connections. It never buffers more than one read per connection: while the
/// client does not read, the server does not either.
public final class EchoServer: Sendable {
    /// The port it listens on.
    public var port: UInt16 { listener.port }
    /// Connections accepted so far.
    public var accepted: Int { counters.accepted.load(ordering: .relaxed) }
    /// Connections open now.
    public var active: Int { counters.active.load(ordering: .relaxed) }

    private let listener: LabListener
    private let counters = Counters()
    private let finished = DispatchSemaphore(value: 0)

    private final class Counters: Sendable {
        let accepted = Atomic<Int>(0)
        let active = Atomic<Int>(0)
        let isStopping = Atomic<Bool>(false)
    }

    /// Serves on the listener until `stop()` or release.
    init(name: String, listener: LabListener) throws(LabError) {
        self.listener = listener
        let epoll = try checked(clab_epoll_create(), "epoll")
        let counters = counters
        let finished = finished
        let thread = Thread {
            let poller = LabPoller(name: name, epoll: epoll, listener: listener.descriptor) {
                _ = counters.accepted.add(1, ordering: .relaxed)
            }
            var loop = EchoLoop(poller)
            while !counters.isStopping.load(ordering: .relaxed) {
                loop.turn()
                counters.active.store(loop.connections.count, ordering: .relaxed)
            }
            loop.close()
            finished.signal()
        }
        thread.start()
    }

    deinit { stop() }

    /// Closes the listener and every connection; returns when they are closed.
    public func stop() {
        guard !counters.isStopping.exchange(true, ordering: .relaxed) else { return }
        finished.wait()
        listener.close()
    }
}
