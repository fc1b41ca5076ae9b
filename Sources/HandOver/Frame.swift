import FoundationEssentials
import Syscalls

/// One message between two generations of `apusd`: what it is, a description in JSON, raw bytes, descriptors.
///
/// On the wire: `APUS`, the kind, three zero bytes, the length of the JSON and of the raw bytes (32 bits each, little
/// endian), then the two. Descriptors lie beside the first byte. Kinds 1 to 6 never change their meaning: they carry the
/// versions of everything else.
package struct Frame {
    package enum Kind: UInt8 {
        case hello = 1, welcome, refusal, ready, done
        case totals = 16, tunnels, verdicts
    }

    package var kind: Kind
    package var text: [UInt8]
    package var bytes: [UInt8] = []
    package var descriptors: [Descriptor.Parcel] = []

    static let magic = Array("APUS".utf8)
    package static let headerSize = 16
    /// Of each part: far more than a batch of connections or the counters of 65,536 pods take.
    static let partMax = 128 << 20

    /// What is wrong with what was received.
    package enum Problem: Error, CustomStringConvertible {
        case closed
        case malformed(String)

        package var description: String {
            switch self {
            case .closed: "the other process has closed the connection"
            case .malformed(let what): "hand-over: \(what)"
            }
        }
    }

    package init(kind: Kind, text: [UInt8]) {
        self.kind = kind
        self.text = text
    }

    /// A frame that describes `message`.
    init(_ kind: Kind, _ message: some Encodable) throws {
        self.init(kind: kind, text: Array(try JSONEncoder().encode(message)))
    }

    /// The description, read as `Message`.
    package func message<Message: Decodable>(_ type: Message.Type = Message.self) throws -> Message {
        do {
            return try JSONDecoder().decode(type, from: Data(text))
        } catch {
            throw Problem.malformed("\(kind): \(error)")
        }
    }

    var header: [UInt8] {
        Self.magic + [kind.rawValue, 0, 0, 0] + Self.number(text.count) + Self.number(bytes.count)
    }

    /// Reads a header: the kind and the lengths of the two parts.
    package static func read(header: [UInt8]) throws(Problem) -> (kind: Kind, text: Int, bytes: Int) {
        guard header.count == headerSize, Array(header[..<4]) == magic else { throw .malformed("not an apusd") }
        guard let kind = Kind(rawValue: header[4]) else { throw .malformed("unknown message \(header[4])") }
        let (text, bytes) = (number(header[8..<12]), number(header[12..<16]))
        guard text <= partMax, bytes <= partMax else { throw .malformed("a message of \(text) + \(bytes) bytes") }
        return (kind, text, bytes)
    }

    private static func number(_ value: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
