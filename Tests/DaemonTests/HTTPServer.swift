import Loopback
import Model
import Synchronization

/// What several threads have noted.
final class Journal<Entry: Sendable>: Sendable {
    private let entries = Mutex<[Entry]>([])

    func add(_ entry: Entry) { entries.withLock { $0.append(entry) } }
    var all: [Entry] { entries.withLock { $0 } }
}

/// An HTTP/1.1 server of a test, which remembers what it was asked. It answers each request of a connection in turn.
final class HTTPServer: Sendable {
    private let server: Server
    private let journal: Journal<HTTPMessage>

    /// `answer` answers one request; false: the connection ends. `number` counts the requests of the connection from 1.
    init(
        _ address: SocketAddress = SocketAddress(.loopbackV4, 0),
        _ answer: @escaping @Sendable (_ request: HTTPMessage, _ number: Int, HTTPConnection) throws -> Bool
    ) throws {
        let journal = Journal<HTTPMessage>()
        self.journal = journal
        server = try Server(address) { peer in
            let connection = HTTPConnection(peer)
            var number = 0
            while let request = try connection.message(), request.isWhole {
                number += 1
                journal.add(request)
                guard try answer(request, number, connection) else { return }
            }
        }
    }

    var address: SocketAddress { server.address }
    var connections: Int { server.accepted }
    var requests: [HTTPMessage] { journal.all }

    /// How often it was asked for each path.
    var counts: [String: Int] { requests.reduce(into: [:]) { $0[$1.path, default: 0] += 1 } }

    /// Answers with the head and the body of the request.
    static func echo() throws -> HTTPServer {
        try HTTPServer { request, _, connection in
            guard request.method != "HEAD" else {
                try connection.send("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")
                return true
            }
            try connection.answer(Array(request.head.utf8) + [13, 10, 13, 10] + request.body)
            return true
        }
    }

    /// Answers every request with this status and text.
    static func saying(_ text: String, status: Int = 200) throws -> HTTPServer {
        try HTTPServer { _, _, connection in
            try connection.answer(Array(text.utf8), status: status)
            return true
        }
    }
}
