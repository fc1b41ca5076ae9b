import Foundation
import Loopback
import Model
import Synchronization

/// An HTTP/1.1 server that keeps its connections and knows how many are open. It answers `x` to every request; one for
/// `/hold` waits until as many are there as `release` was told, or for ten seconds.
final class PooledServer: Sendable {
    private let server: Server
    private let state: State

    private final class State: Sendable {
        let open = Atomic<Int>(0)
        let held = Atomic<Int>(0)
        let gate = DispatchSemaphore(value: 0)
    }

    init() throws {
        let state = State()
        self.state = state
        server = try Server { peer in
            state.open.add(1, ordering: .relaxed)
            defer { state.open.subtract(1, ordering: .relaxed) }
            var text = ""
            while case let bytes = try peer.receive(), !bytes.isEmpty {
                text += String(decoding: bytes, as: UTF8.self)
                while let end = text.range(of: "\r\n\r\n") {
                    let isHeld = text.hasPrefix("GET /hold")
                    text.removeSubrange(..<end.upperBound)
                    if isHeld {
                        state.held.add(1, ordering: .relaxed)
                        _ = state.gate.wait(timeout: .now() + 10)
                        state.held.subtract(1, ordering: .relaxed)
                    }
                    try peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")
                }
            }
        }
    }

    var address: SocketAddress { server.address }
    /// Connections.
    var open: Int { state.open.load(ordering: .relaxed) }
    /// Requests that wait.
    var held: Int { state.held.load(ordering: .relaxed) }

    /// Lets as many go.
    func release(_ count: Int) { for _ in 0..<count { state.gate.signal() } }
}

extension Peer {
    /// Asks such a server through a proxy, and does not wait for the answer.
    func ask(_ path: String = "/") throws { try send("GET \(path) HTTP/1.1\r\nhost: a\r\n\r\n") }

    /// The status line and body of one answer.
    func pooledAnswer() throws -> String {
        var text = ""
        while !text.contains("\r\n\r\n") || text.hasSuffix("\r\n\r\n") {
            let bytes = try receive()
            if bytes.isEmpty { break }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return "\(text.prefix { $0 != "\r\n" }) \(text.suffix(1))"
    }
}
