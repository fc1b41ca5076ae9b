import CLab
import Glibc
import Model

/// The body of an `HTTPServer`'s thread: one request at a time on each connection, any number of connections.
struct HTTPLoop {
    private(set) var connections: [Int32: Connection] = [:]
    private let name: String
    private let poller: LabPoller

    struct Connection {
        let greeting: Greeting
        var input: [UInt8] = []
        var output: [UInt8] = []
        var sent = 0
        /// When `output` may go.
        var due: ContinuousClock.Instant?
        /// The client has ended its direction, or it or we want no more.
        var isLast = false
        var isWaitingToWrite = false
    }

    /// `name` is what it answers as.
    init(_ poller: LabPoller, name: String) {
        self.poller = poller
        self.name = name
    }

    /// Waits for events, at most 5 ms, and serves them.
    mutating func turn(_ executed: (HTTPRequestSeen) -> Void) {
        for descriptor in poller.wait(milliseconds: 5) {
            if descriptor == poller.listener { acceptAll() } else { receive(descriptor, executed) }
        }
        let now = ContinuousClock.now
        for (descriptor, connection) in connections where connection.due.map({ $0 <= now }) == true {
            connections[descriptor]?.due = nil
            serve(descriptor, executed)
        }
    }

    private mutating func acceptAll() {
        while let (descriptor, greeting) = poller.accept() {
            connections[descriptor] = Connection(greeting: greeting)
        }
    }

    private mutating func receive(_ descriptor: Int32, _ executed: (HTTPRequestSeen) -> Void) {
        guard connections[descriptor] != nil else { return }
        let (bytes, outcome) = LabPoller.receive(from: descriptor)
        let isOver = outcome == .failed || outcome == .done && bytes.isEmpty
        connections[descriptor]?.input += bytes
        if isOver {
            connections[descriptor]?.isLast = true
            // An answer that is still to come is sent; no event says more of this end.
            guard connections[descriptor]?.due != nil else { return drop(descriptor) }
            poller.change(descriptor, to: 0)
        }
        serve(descriptor, executed)
    }

    private mutating func serve(_ descriptor: Int32, _ executed: (HTTPRequestSeen) -> Void) {
        while var connection = connections[descriptor], connection.due == nil {
            guard flush(&connection, descriptor) else { return drop(descriptor) }
            connections[descriptor] = connection
            guard connection.output.isEmpty else { return wait(descriptor, writing: true) }
            if connection.isLast, connection.sent > 0 || connection.input.isEmpty { return drop(descriptor) }
            guard let message = try? HTTPMessage(connection.input) else { break }
            connection.input.removeFirst(message.count)
            connection.sent = 0
            answer(message, &connection, executed)
            connections[descriptor] = connection
        }
        wait(descriptor, writing: false)
    }

    private mutating func wait(_ descriptor: Int32, writing: Bool) {
        guard let connection = connections[descriptor], connection.isWaitingToWrite != writing else { return }
        connections[descriptor]?.isWaitingToWrite = writing
        poller.change(descriptor, to: writing ? CLAB_OUT : CLAB_IN)
    }

    private func answer(
        _ message: HTTPMessage, _ connection: inout Connection, _ executed: (HTTPRequestSeen) -> Void
    ) {
        let words = message.start.split(separator: " ").map(String.init)
        let (method, path) = (words.first ?? "", words.dropFirst().first ?? "")
        let body = String(decoding: message.body, as: UTF8.self)
        executed(
            HTTPRequestSeen(
                peer: connection.greeting.peer, method: method, path: path, fields: message.fields, body: body))
        let order = path.split(separator: "/").map(String.init)
        let number = order.count > 1 ? Int(order[1].prefix { $0.isNumber }) ?? 0 : 0
        if order.first == "wait" { connection.due = ContinuousClock.now + .milliseconds(number) }
        let status = order.first == "status" ? number : 200
        var text = "\(connection.greeting)\n\(message.start)\n"
        text += message.fields.map { "\($0.name): \($0.value)\n" }.joined() + "\n" + body
        if order.first == "bytes" { text = String(repeating: "b", count: number) }
        var head = "HTTP/1.1 \(status) As Asked\r\ncontent-length: \(text.utf8.count)\r\nx-app: \(name)\r\n"
        if message.field("connection")?.lowercased() == "close" {
            head += "connection: close\r\n"
            connection.isLast = true
        }
        connection.output = Array((head + "\r\n" + (method == "HEAD" ? "" : text)).utf8)
    }

    /// False: the connection is broken.
    private func flush(_ connection: inout Connection, _ descriptor: Int32) -> Bool {
        var sent = 0
        guard LabPoller.send(connection.output, from: &sent, to: descriptor) != .failed else { return false }
        connection.output.removeFirst(sent)
        connection.sent += sent
        return true
    }

    private mutating func drop(_ descriptor: Int32) {
        connections[descriptor] = nil
        Glibc.close(descriptor)
    }

    /// Closes everything but the listener.
    mutating func close() {
        poller.close(connections.keys)
        connections = [:]
    }
}
