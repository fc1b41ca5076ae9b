import Model

/// What an echo server said it sees: `app=NAME peer=ADDRESS:PORT local=ADDRESS:PORT`.
public struct Greeting: Equatable, Sendable, CustomStringConvertible {
    /// The server's name.
    public let app: String
    /// The client's address as the server sees it.
    public let peer: SocketAddress
    /// The server's own address.
    public let local: SocketAddress

    /// What a server sees.
    public init(app: String, peer: SocketAddress, local: SocketAddress) {
        self.app = app
        self.peer = peer
        self.local = local
    }

    /// Parses the line.
    public init(_ line: String) throws(LabError) {
        let values = line.split(separator: " ").compactMap { $0.split(separator: "=", maxSplits: 1).last }
        guard values.count == 3, line.hasPrefix("app="), let peer = SocketAddress(values[1]),
            let local = SocketAddress(values[2])
        else { throw LabError("greeting: not one: \(line)") }
        self.init(app: String(values[0]), peer: peer, local: local)
    }

    /// The line, without newline.
    public var description: String { "app=\(app) peer=\(peer) local=\(local)" }
}
