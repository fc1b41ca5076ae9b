import Buffers

@testable import HTTP

/// Decodes field blocks one after the other, for tests of the coding alone.
struct BlockReader: ~Copyable {
    var decoder: HPACKDecoder
    var head = MessageHead()
    let kind: FieldSection.Kind
    /// What the last block was refused for, as a message.
    var problem: HTTP2Violation.Kind?

    /// With a table of `tableSize`, which the peer has acknowledged and used at once.
    init(_ kind: FieldSection.Kind, tableSize: Int = 4096) {
        self.kind = kind
        decoder = HPACKDecoder(size: tableSize)
        decoder.table.setSizeMax(min(tableSize, HPACKDecoder.sizeAtStart))
        decoder.acknowledge(size: tableSize)
    }

    /// The fields of a block, pseudo-fields first; nil if its coding is broken.
    mutating func read(_ block: [UInt8]) -> [String]? {
        head.removeAll()
        var section = FieldSection(kind, bytes: 1 << 20, count: 1000)
        guard decoder.decode(block.span, &section, into: &head) else { return nil }
        problem = section.problem
        return pseudo + (0..<head.fieldCount).map { Self.line(head.field($0), head) }
    }

    private var pseudo: [String] {
        var all: [String] = []
        if head.status > 0 { all.append(":status: \(head.status)") }
        if !head.methodText.isNone { all.append(":method: " + text(head.methodText, head)) }
        if !head.path.isNone { all.append(":path: " + text(head.path, head)) }
        if !head.authority.isNone { all.append(":authority: " + text(head.authority, head)) }
        return all
    }

    static func line(_ field: HeaderField, _ head: borrowing MessageHead) -> String {
        text(field.name, head) + ": " + text(field.value, head) + (field.isNeverIndexed ? " (never indexed)" : "")
    }

    /// The dynamic table, newest first.
    var table: [String] {
        (0..<decoder.table.count).map { age in
            let entry = decoder.table.entry(decoder.table.next &- 1 &- UInt32(age))
            // The table is not changed meanwhile.
            let bytes = unsafe UnsafeRawBufferPointer(start: decoder.table.pointer(entry), count: entry.stored)
            let stored = unsafe String(decoding: bytes, as: UTF8.self)
            return entry.pseudo == .none ? String(stored.dropLast()) : "\(entry.pseudo.text): \(stored)"
        }
    }
}

/// The bytes at `range`; those that are not ASCII one by one.
func text(_ range: ByteRange, _ head: borrowing MessageHead) -> String {
    let span = head.bytes(range)
    return String(span.indices.map { Character(Unicode.Scalar(span[$0])) })
}

/// Bytes written as hexadecimal digits; white space does not count.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue ?? 0) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// An output buffer whose bytes are looked at.
struct OutputBytes: ~Copyable {
    var buffer = OutputBuffer(capacity: 64)
    var bytes: [UInt8] { buffer.bytes.indices.map { buffer.bytes[$0] } }

    /// The bytes, which are taken out.
    mutating func take() -> [UInt8] {
        defer { buffer.removeAll() }
        return bytes
    }
}
