import CLab
import Foundation
import Glibc
import Model
import Synchronization

/// A pod's web application: answers each request with what it sees of it, and remembers every request that it has
/// executed.
///
/// The answer's body is a greeting line, the request's first line, its fields, an empty line, and the request's body.
/// A path `/status/503` is answered with that status, `/wait/200` after that many milliseconds, `/bytes/100000` with that
/// many bytes instead.
public final class HTTPServer: Sendable {
    /// The port it listens on.
    public var port: UInt16 { listener.port }
    /// Connections accepted so far.
    public var accepted: Int { state.accepted.load(ordering: .relaxed) }
    /// Connections open now.
    public var active: Int { state.active.load(ordering: .relaxed) }
    /// The requests it has executed, in order. An execution begins when all of a request is there.
    public var requests: [HTTPRequestSeen] { state.requests.withLock { $0 } }

    private let listener: LabListener
    private let state = State()
    private let finished = DispatchSemaphore(value: 0)

    private final class State: Sendable {
        let accepted = Atomic<Int>(0)
        let active = Atomic<Int>(0)
        let isStopping = Atomic<Bool>(false)
        let requests = Mutex<[HTTPRequestSeen]>([])
    }

    /// Serves on the listener until `stop()` or release.
    init(name: String, listener: LabListener) throws(LabError) {
        self.listener = listener
        let epoll = try checked(clab_epoll_create(), "epoll")
        let (state, finished) = (state, finished)
        let thread = Thread {
            let poller = LabPoller(name: name, epoll: epoll, listener: listener.descriptor) {
                _ = state.accepted.add(1, ordering: .relaxed)
            }
            var loop = HTTPLoop(poller, name: name)
            while !state.isStopping.load(ordering: .relaxed) {
                loop.turn { request in state.requests.withLock { $0.append(request) } }
                state.active.store(loop.connections.count, ordering: .relaxed)
            }
            loop.close()
            finished.signal()
        }
        thread.start()
    }

    deinit { stop() }

    /// Closes the listener and every connection, as the end of a process does; returns when they are closed.
    public func stop() {
        guard !state.isStopping.exchange(true, ordering: .relaxed) else { return }
        finished.wait()
        listener.close()
    }
}

/// A request as an `HTTPServer` saw it.
public struct HTTPRequestSeen: Sendable, Equatable {
    /// The connection's other end.
    public let peer: SocketAddress
    /// GET, ...
    public let method: String
    /// Path and query.
    public let path: String
    /// Names in lower case, in order.
    public let fields: [HTTPField]
    /// The body, without chunks.
    public let body: String

    /// The first field of that name.
    public func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }
}

/// One line of a head.
public struct HTTPField: Sendable, Equatable {
    /// In lower case.
    public let name: String
    /// Without surrounding space.
    public let value: String
}

extension Node {
    /// Starts a web server that says what it sees.
    public func serveHTTP(port: UInt16 = 8080, name: String? = nil) throws -> HTTPServer {
        try HTTPServer(name: name ?? self.name, listener: listen(port: port))
    }
}
