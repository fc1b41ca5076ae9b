/// Bytes by which somebody tries to make two parsers read two things, and what must become of them.
public struct SmugglingVector: Sendable, CustomStringConvertible {
    /// What it tries, unique.
    public let name: String
    /// What the client sends, all at once.
    public let bytes: [UInt8]
    /// What must happen.
    public let expected: Outcome

    /// What must become of the bytes.
    public enum Outcome: Sendable, Equatable {
        /// The first request is answered with that status and the connection closed; nothing reaches an upstream.
        case refused(Int)
        /// As many requests reach an upstream, whole; then the connection waits, or ends if the last one says so.
        case requests(Int)
        /// As many requests reach an upstream, whole; what follows is answered with that status, and the connection closed.
        case requestsThenRefused(Int, Int)
    }

    init(_ name: String, _ text: String, _ expected: Outcome) {
        self.init(name, Array(text.utf8), expected)
    }

    init(_ name: String, _ bytes: [UInt8], _ expected: Outcome) {
        self.name = name
        self.bytes = bytes
        self.expected = expected
    }

    /// The name.
    public var description: String { name }

    /// All of them.
    public static let all = framing + chunks + lines + addresses + connections + accepted
}
