/// Decodes field blocks (RFC 7541 3) into the flat head, and keeps the table they refer to.
///
/// What is wrong with a message does not stop it, because the table must stay as the peer has it; what is wrong with the
/// coding does, and the connection with it. A reference costs one copy: names and values were looked at when they came.
struct HPACKDecoder: ~Copyable, Sendable {
    var table: HPACKTable
    private let statics = HPACKStaticTable.shared
    let huffman = HuffmanTable.shared
    /// What a size update may say at most: what we have announced and the peer has acknowledged.
    private var sizeLimit: Int
    /// RFC 7541 4.2: the next block must begin with an update to `sizeLimit` or less.
    private var mustShrink = false

    /// The size a table has before anything was announced (RFC 9113 6.5.2).
    static let sizeAtStart = 4096

    /// A decoder for a connection on which `size` is announced.
    init(size: Int) {
        // Until then the peer may use the size of the start.
        table = HPACKTable(capacity: max(size, Self.sizeAtStart))
        table.setSizeMax(Self.sizeAtStart)
        sizeLimit = max(size, Self.sizeAtStart)
    }

    /// The peer has acknowledged the announcement of `size`.
    mutating func acknowledge(size: Int) {
        sizeLimit = size
        mustShrink = table.sizeMax > size
    }

    /// Decodes a whole block. Fields are added to `head`, which is empty. False: the coding is broken.
    mutating func decode(_ block: Span<UInt8>, _ section: inout FieldSection, into head: inout MessageHead) -> Bool {
        var position = 0
        guard updateSize(block, &position) else { return false }
        while position < block.count {
            let byte = block[position]
            let isDone =
                if byte & 0x80 != 0 {
                    indexed(block, &position, &section, &head)
                } else if byte & 0x40 != 0 {
                    literal(block, &position, mask: 0x3f, isKept: true, flags: 0, &section, &head)
                } else if byte & 0x20 != 0 {
                    // RFC 7541 4.2: only at the beginning.
                    false
                } else {
                    literal(
                        block, &position, mask: 0x0f, isKept: false,
                        flags: byte & 0x10 != 0 ? HeaderField.neverIndexed : 0, &section, &head)
                }
            guard isDone else { return false }
        }
        return true
    }

    /// Size updates (RFC 7541 6.3) at the beginning of a block.
    @inline(__always) private mutating func updateSize(_ block: Span<UInt8>, _ position: inout Int) -> Bool {
        while position < block.count, block[position] & 0xe0 == 0x20 {
            let size = block.integer(&position, mask: 0x1f)
            guard size >= 0 && size <= sizeLimit else { return false }
            table.setSizeMax(size)
            mustShrink = false
        }
        return !mustShrink
    }

    /// RFC 7541 6.1.
    @inline(__always) private mutating func indexed(
        _ block: Span<UInt8>, _ position: inout Int, _ section: inout FieldSection, _ head: inout MessageHead
    ) -> Bool {
        let index = block.integer(&position, mask: 0x7f)
        let entry: HPACKEntry
        let source: UnsafeRawPointer
        if index <= HPACKStaticTable.count {
            guard index > 0 else { return false }
            entry = statics.entry(index)
            unsafe source = statics.pointer(entry)
        } else {
            let age = index &- HPACKStaticTable.count &- 1
            guard age < table.count else { return false }
            entry = table.entry(table.next &- 1 &- UInt32(truncatingIfNeeded: age))
            unsafe source = table.pointer(entry)
        }
        guard section.admits(entry) else { return true }
        let start = head.end
        // The source has as many bytes, and slack behind them.
        unsafe head.putBytes(source, count: entry.stored, at: start)
        section.take(entry, at: start, &head)
        return true
    }

    /// The entry whose name a literal takes over, and where its bytes are. Nothing if there is none.
    @unsafe @inline(__always) func named(_ index: Int) -> (entry: HPACKEntry, source: UnsafeRawPointer)? {
        if index <= HPACKStaticTable.count {
            guard index > 0 else { return nil }
            let entry = statics.entry(index)
            return unsafe (entry, statics.pointer(entry))
        }
        let age = index &- HPACKStaticTable.count &- 1
        guard age < table.count else { return nil }
        let entry = table.entry(table.next &- 1 &- UInt32(truncatingIfNeeded: age))
        return unsafe (entry, table.pointer(entry))
    }
}

// MARK: - hand-over

extension HPACKDecoder {
    func export(into writer: inout HandoverWriter) {
        table.export(into: &writer)
        writer.put(sizeLimit)
        writer.put(mustShrink)
    }

    /// The same in a decoder at the start of a connection.
    mutating func restore(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        try table.restore(from: &reader)
        sizeLimit = try reader.number(0...HPACKTable.capacityMax)
        mustShrink = try reader.flag()
    }
}

extension Span<UInt8> {
    /// An integer (RFC 7541 5.1) whose first bits are those of `mask` in the byte at `position`, which is there. -1 if it is
    /// not complete, or has more than 28 bits behind them: nothing is that large.
    @inline(__always) func integer(_ position: inout Int, mask: UInt8) -> Int {
        let first = self[position] & mask
        position &+= 1
        return first < mask ? Int(first) : longInteger(&position, Int(mask))
    }

    @inline(never) private func longInteger(_ position: inout Int, _ first: Int) -> Int {
        var value = first
        for shift in stride(from: 0, to: 28, by: 7) {
            guard position < count else { return -1 }
            let byte = self[position]
            position &+= 1
            value &+= Int(byte & 0x7f) &<< shift
            if byte & 0x80 == 0 { return value }
        }
        return -1
    }
}
