import Buffers

/// Encodes fields (RFC 7541 6) out of the flat head, and keeps the table the peer decodes them with.
///
/// Strings are not Huffman-coded: what repeats is an index anyway, and the rest is not worth the time.
struct HPACKEncoder: ~Copyable, Sendable {
    var table: HPACKTable
    var index = HPACKIndex()
    let statics = HPACKStaticTable.shared
    private let sizeLimit: Int
    /// The smallest size the table has had since the last block, if the peer is still to be told of a change.
    private var smallest: Int?

    /// Values shorter than this can be guessed byte by byte (RFC 7541 7.1).
    static let guessableCount = 20

    /// An encoder that uses up to `sizeLimit` bytes of the peer's table.
    init(sizeLimit: Int) {
        self.sizeLimit = min(sizeLimit, HPACKTable.capacityMax)
        table = HPACKTable(capacity: sizeLimit)
        let size = min(sizeLimit, HPACKDecoder.sizeAtStart)
        table.setSizeMax(size)
        if size < HPACKDecoder.sizeAtStart { smallest = size }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE.
    mutating func setPeerSize(_ size: Int) {
        let size = min(size, sizeLimit)
        guard size != table.sizeMax else { return }
        table.setSizeMax(size)
        smallest = min(smallest ?? size, size)
    }

    /// What a block begins with: changes of the table's size (RFC 7541 4.2).
    @inline(__always) mutating func begin(_ output: inout OutputBuffer) {
        if smallest != nil { writeSizes(&output) }
    }

    @inline(never) private mutating func writeSizes(_ output: inout OutputBuffer) {
        if let smallest, smallest < table.sizeMax { output.appendInteger(smallest, mask: 0x1f, bits: 0x20) }
        output.appendInteger(table.sizeMax, mask: 0x1f, bits: 0x20)
        smallest = nil
    }

    /// A field of `head`, whatever its flags.
    @inline(__always)
    mutating func field(_ field: HeaderField, of head: borrowing MessageHead, into output: inout OutputBuffer) {
        let (name, value) = (field.name, field.value)
        if field.isNeverIndexed || field.isGuessable || value.lowerBound != name.upperBound &+ 2 {
            let bits: UInt8 = field.isNeverIndexed || field.isGuessable ? 0x10 : 0
            literal(statics.index(of: field.known), mask: 0x0f, bits: bits, name, value, head, &output)
            return
        }
        let entry = HPACKEntry(
            nameCount: name.count, valueCount: value.count,
            known: field.known, flags: 0, pseudo: .none)
        let count = Int(name.count) &+ 2 &+ Int(value.count)
        write(entry, at: name.lowerBound, count, name, value, 0, head, &output)
    }

    /// A pseudo-field whose value lies at `value` of `head`, with the static index of its name, below 15.
    mutating func pseudo(
        _ pseudo: PseudoField, _ value: ByteRange, nameIndex: Int, of head: borrowing MessageHead,
        into output: inout OutputBuffer
    ) {
        if head.neverIndexed & pseudo.bit != 0 {
            output.append(0x10 | UInt8(truncatingIfNeeded: nameIndex))
            return output.appendString(value, of: head)
        }
        let entry = HPACKEntry(
            nameCount: UInt32(pseudo.text.utf8CodeUnitCount), valueCount: value.count,
            known: .other, flags: 0, pseudo: pseudo)
        write(entry, at: value.lowerBound, Int(value.count), .none, value, nameIndex, head, &output)
    }

    /// Writes what lies in the `count` bytes at `place` of the block: by its index, or as a literal, which enters the table if
    /// it was seen before.
    @inline(__always)
    private mutating func write(
        _ entry: HPACKEntry, at place: Int, _ count: Int, _ name: ByteRange, _ value: ByteRange, _ nameIndex: Int,
        _ head: borrowing MessageHead, _ output: inout OutputBuffer
    ) {
        // Ranges are within the block, behind whose end is slack.
        guard count <= table.sizeMax &>> 1, let bytes = unsafe head.pointer(place, count) else {
            let nameIndex = entry.pseudo == .none ? statics.index(of: entry.known) : nameIndex
            return literal(nameIndex, mask: 0x0f, bits: 0, name, value, head, &output)
        }
        let hash = unsafe HPACKIndex.hash(bytes, count, entry.pseudo)
        let finding = unsafe index.find(hash, bytes, count, entry.pseudo, in: table)
        if case .entry(let number) = finding {
            let index = HPACKStaticTable.count &+ Int(table.next &- number)
            return output.appendInteger(index, mask: 0x7f, bits: 0x80)
        }
        let nameIndex = entry.pseudo == .none ? statics.index(of: entry.known) : nameIndex
        switch finding {
        case .seen(let slot):
            literal(nameIndex, mask: 0x3f, bits: 0x40, name, value, head, &output)
            let number = table.next
            // The line's end lies behind it in the block, or what does is never read.
            if unsafe table.insert(entry, from: bytes) { index.set(number, slot: slot) }
        case .new, .entry:
            literal(nameIndex, mask: 0x0f, bits: 0, name, value, head, &output)
        }
    }

    /// A literal whose name is that of `nameIndex`, or, if that is 0, lies at `name`.
    @inline(never) private func literal(
        _ nameIndex: Int, mask: UInt8, bits: UInt8, _ name: ByteRange, _ value: ByteRange,
        _ head: borrowing MessageHead, _ output: inout OutputBuffer
    ) {
        output.appendInteger(nameIndex, mask: mask, bits: bits)
        if nameIndex == 0 { output.appendString(name, of: head) }
        output.appendString(value, of: head)
    }
}

// MARK: - hand-over

extension HPACKEncoder {
    func export(into writer: inout HandoverWriter) {
        table.export(into: &writer)
        index.export(into: &writer)
        writer.put(smallest ?? -1)
    }

    /// The same in an encoder at the start of a connection.
    mutating func restore(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        try table.restore(from: &reader)
        try index.restore(from: &reader)
        let size = try reader.number(-1...HPACKTable.capacityMax)
        smallest = size < 0 ? nil : size
    }
}

extension HeaderField {
    /// Whether somebody who sees only how long messages are might guess it (RFC 7541 7.1.3).
    @inline(__always) fileprivate var isGuessable: Bool {
        switch known {
        case .authorization, .proxyAuthorization: true
        case .cookie, .setCookie: Int(value.count) < HPACKEncoder.guessableCount
        default: false
        }
    }
}

extension MessageHead {
    /// The `count` bytes at `place`, with slack behind them. Nothing if they are not within the block.
    @unsafe @inline(__always) func pointer(_ place: Int, _ count: Int) -> UnsafeRawPointer? {
        guard place >= 0, place &+ count <= end, let block = unsafe block else { return nil }
        return unsafe UnsafeRawPointer(block + place)
    }
}

extension OutputBuffer {
    /// An integer (RFC 7541 5.1) not below 0, with `bits` above those of `mask` in its first byte.
    @inline(__always) mutating func appendInteger(_ value: Int, mask: UInt8, bits: UInt8) {
        if value < Int(mask) {
            // `room` has returned the start of one byte.
            unsafe room(1).storeBytes(of: bits | UInt8(truncatingIfNeeded: value), as: UInt8.self)
            commit(1)
        } else {
            appendLongInteger(value, mask: mask, bits: bits)
        }
    }

    @inline(never) private mutating func appendLongInteger(_ value: Int, mask: UInt8, bits: UInt8) {
        append(bits | mask)
        var rest = value - Int(mask)
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest & 0x7f | 0x80))
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// The bytes at `range` of the head as a string (RFC 7541 5.2).
    @inline(__always) mutating func appendString(_ range: ByteRange, of head: borrowing MessageHead) {
        let count = Int(range.count)
        appendInteger(count, mask: 0x7f, bits: 0)
        guard count > 0 else { return }
        guard let source = unsafe head.pointer(range.lowerBound, count) else {
            preconditionFailure("a range of another head")
        }
        // Room for whole lanes; slack is behind what is read.
        let target = unsafe room(count &+ MemoryLayout<Lanes>.size)
        var done = 0
        while done < count {
            unsafe target.storeBytes(
                of: source.loadUnaligned(fromByteOffset: done, as: Lanes.self), toByteOffset: done, as: Lanes.self)
            done &+= MemoryLayout<Lanes>.size
        }
        commit(count)
    }

    /// The bytes of `text` as a string.
    mutating func appendString(_ text: StaticString) {
        appendInteger(text.utf8CodeUnitCount, mask: 0x7f, bits: 0)
        append(text)
    }
}
