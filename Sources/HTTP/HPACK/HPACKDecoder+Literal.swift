/// Literal fields (RFC 7541 6.2): written behind the head's end, looked at there, and kept if they may be.
extension HPACKDecoder {
    /// A literal whose name's index is in the bits of `mask`. `isKept`: it enters the table. False: the coding is broken.
    mutating func literal(
        _ block: Span<UInt8>, _ position: inout Int, mask: UInt8, isKept: Bool, flags: UInt8,
        _ section: inout FieldSection, _ head: inout MessageHead
    ) -> Bool {
        let start = head.end
        let index = block.integer(&position, mask: mask)
        var entry: HPACKEntry
        if index == 0 {
            guard let named = newName(block, &position, at: start, &head) else { return false }
            entry = named
        } else {
            // An index of -1 is one of none.
            guard let (named, source) = unsafe named(index) else { return false }
            entry = named
            entry.flags = entry.flags & FieldFault.name | entry.known.flags | entry.known.faults
            if entry.pseudo == .none {
                // In bounds: the entry's bytes begin with its name.
                unsafe head.putBytes(source, count: Int(entry.nameCount), at: start)
            }
        }
        let valueStart = start &+ entry.valueOffset
        guard let count = string(block, &position, at: valueStart, &head) else { return false }
        entry.valueCount = UInt32(truncatingIfNeeded: count)
        if entry.pseudo == .none {
            head.putPair(0x203a, at: valueStart &- 2)
            head.putPair(0x0a0d, at: valueStart &+ count)
        }
        entry.flags |= flags | head.valueFault(entry, at: valueStart)
        if isKept {
            // What is stored of the entry was written there just now.
            unsafe table.insert(entry, from: UnsafeRawPointer(head.base + start))
        }
        if section.admits(entry) { section.take(entry, at: start, &head) }
        return true
    }

    /// A name that is a literal, too. It is not there yet if it is a pseudo-field's.
    private func newName(
        _ block: Span<UInt8>, _ position: inout Int, at start: Int, _ head: inout MessageHead
    ) -> HPACKEntry? {
        guard let count = string(block, &position, at: start, &head) else { return nil }
        return head.scanName(at: start, count: count)
    }

    /// Writes a string (RFC 7541 5.2) at `place`, with room behind it. How many bytes it has; nil if it is broken.
    @inline(__always) private func string(
        _ block: Span<UInt8>, _ position: inout Int, at place: Int, _ head: inout MessageHead
    ) -> Int? {
        guard position < block.count else { return nil }
        let isHuffman = block[position] & 0x80 != 0
        let count = block.integer(&position, mask: 0x7f)
        guard count >= 0 && count <= block.count &- position else { return nil }
        let start = position
        position &+= count
        if isHuffman {
            head.reserve(upTo: place &+ 2 &* count)
            // There is room for twice as many bytes.
            return unsafe huffman.decode(block.extracting(start..<position), to: head.base + place)
        }
        head.reserve(upTo: place &+ count)
        var done = 0
        while done < count {
            head.putLanes(block.lanes(at: start &+ done), at: place &+ done)
            done &+= MemoryLayout<Lanes>.size
        }
        return count
    }
}

extension MessageHead {
    /// Copies `count` bytes, which have `slack` behind them, to `place`, behind which nothing is kept.
    @inline(__always) mutating func putBytes(_ source: UnsafeRawPointer, count: Int, at place: Int) {
        reserve(upTo: place &+ count)
        var done = 0
        while done < count {
            // In bounds: slack, which is larger than this, is behind both.
            putLanes(unsafe source.loadUnaligned(fromByteOffset: done, as: Lanes.self), at: place &+ done)
            done &+= MemoryLayout<Lanes>.size
        }
    }

    /// The entry of a name at `place`: what it is, and whether it may be one. There is slack behind it.
    fileprivate mutating func scanName(at place: Int, count: Int) -> HPACKEntry {
        var entry = HPACKEntry(
            nameCount: UInt32(truncatingIfNeeded: count), valueCount: 0, known: .other, flags: 0, pseudo: .none)
        let lanes = lanes(at: place)
        let (lowered, ends) = lanes.name
        if count <= MemoryLayout<Lanes>.size && count > 0 {
            let isName = Lanes.isBelow(count)
            if ends.first >= count && lanes.replacing(with: lowered, where: isName) == lanes {
                (entry.known, entry.flags) = names.find(lanes.key(isName, count))
                entry.flags |= entry.known.faults
                return entry
            }
        }
        scanRareName(at: place, &entry)
        return entry
    }

    /// A name that is long, has bytes that are rare in names, is a pseudo-field's, or must not be.
    @inline(never) private mutating func scanRareName(at place: Int, _ entry: inout HPACKEntry) {
        // It counts only for this look at it.
        let kept = end
        end = place + Int(entry.nameCount)
        defer { end = kept }
        let name = bytes(ByteRange(place, end))
        guard !name.isEmpty else { return entry.flags = FieldFault.name }
        if name[0] == UInt8(ascii: ":") {
            entry.pseudo = PseudoField(name)
            if entry.pseudo == .none { entry.flags = FieldFault.name }
            return
        }
        for index in name.indices where !name[index].isTokenByte || name[index].lowercased != name[index] {
            return entry.flags = FieldFault.name
        }
        (entry.known, entry.flags) = names.find(.init(name))
        entry.flags |= entry.known.faults
    }

    /// Whether the value at `place` may be one (RFC 9113 8.2.1): no control bytes but the tab, no white space around it.
    /// Refuses a little more than RFC 9113 does, as the HTTP/1 decoder: values are passed on to HTTP/1 as they are.
    @inline(__always) fileprivate func valueFault(_ entry: HPACKEntry, at place: Int) -> UInt8 {
        let count = Int(entry.valueCount)
        guard count > 0 else { return entry.known == .te ? FieldFault.connection : 0 }
        var done = 0
        while done < count {
            let ends = lanes(at: place &+ done).valueEnds
            if !ends.isEmpty && done &+ ends.first < count { return FieldFault.value }
            done &+= MemoryLayout<Lanes>.size
        }
        if taken(place) <= 0x20 || taken(place &+ count &- 1) <= 0x20 { return FieldFault.value }
        return entry.known == .te ? teFault(at: place, count) : 0
    }

    /// RFC 9113 8.2.2: TE says `trailers` or nothing.
    private func teFault(at place: Int, _ count: Int) -> UInt8 {
        let text: StaticString = "trailers"
        guard count == text.utf8CodeUnitCount else { return FieldFault.connection }
        for index in 0..<count where taken(place + index).lowercased != text.byte(index) {
            return FieldFault.connection
        }
        return 0
    }
}
