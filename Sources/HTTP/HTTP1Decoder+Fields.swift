/// Field lines (RFC 9112 5), of heads and of trailers: checked, lowered and copied in one pass, eight bytes at a time.
extension HTTP1Decoder {
    /// Reads the field line at `start` into `head`.
    @inline(__always) mutating func readField(
        _ input: Span<UInt8>, _ start: Int, into head: inout MessageHead, isTrailer: Bool
    ) -> Step {
        let nameStart = head.end
        var position = start
        var place = nameStart
        // The name, up to a byte that is none of letters, digits and `-`; other bytes of tokens are rare.
        while true {
            let (lowered, ends) = Word.name(input.word(at: position))
            head.putWord(lowered, at: place)
            guard ends != 0 else {
                position &+= 8
                place &+= 8
                continue
            }
            position &+= Word.first(ends)
            place &+= Word.first(ends)
            guard position < input.count else { return .incomplete }
            if input[position] == UInt8(ascii: ":") { break }
            guard input[position].isTokenByte else { return Self.brokenName(input, start, position) }
            position &+= 1
            place &+= 1
        }
        if position == start { return .refused(.emptyName, start) }
        let name = ByteRange(nameStart, place)
        head.putPair(0x203a, at: place)
        place &+= 2
        position &+= 1
        while position < input.count && Self.isBlank(input[position]) { position &+= 1 }
        let valueStart = place
        while true {
            let word = input.word(at: position)
            head.putWord(word, at: place)
            let ends = Word.valueEnds(word)
            if ends != 0 {
                position &+= Word.first(ends)
                place &+= Word.first(ends)
                break
            }
            position &+= 8
            place &+= 8
        }
        let step = Self.lineEnd(input, position)
        guard case .next = step else { return step }
        while place > valueStart && Self.isBlank(input[position &- 1]) {
            position &-= 1
            place &-= 1
        }
        head.putPair(0x0a0d, at: place)
        commit(&head, name, ByteRange(valueStart, place), isTrailer: isTrailer)
        return step
    }

    @inline(__always) private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Adds the field that was written behind the end of `head`.
    @inline(__always) private mutating func commit(
        _ head: inout MessageHead, _ name: ByteRange, _ value: ByteRange, isTrailer: Bool
    ) {
        let known = HeaderNameTable.shared.find(head.key(name))
        if isTrailer && !known.isAllowedAsTrailer { return }
        if known.isNoted {
            let bit: UInt16 = 1 &<< UInt16(known.rawValue)
            repeated |= present & bit
            present |= bit
        }
        head.end = value.upperBound &+ 2
        head.addField(HeaderField(known: known, name: name, value: value))
    }

    /// Why the name at `start` ends at `position`, which is not a colon.
    @inline(never) private static func brokenName(_ input: Span<UInt8>, _ start: Int, _ position: Int) -> Step {
        switch input[position] {
        case 0x20, 0x09: return .refused(position == start ? .obsoleteFold : .spaceBeforeColon, position)
        case 0x0d where position + 1 == input.count: return .incomplete
        case 0x0d where input[position + 1] == 0x0a: return .refused(.missingColon, position)
        case 0x0d: return .refused(.bareCarriageReturn, position)
        case 0x0a: return .refused(.bareLineFeed, position)
        case 0..<0x20, 0x7f: return .refused(.controlCharacter, position)
        default: return .refused(.invalidName, position)
        }
    }
}

extension MessageHead {
    /// The key of a name that lies in the block, or was written behind its end.
    @inline(__always) func key(_ name: ByteRange) -> HeaderNameTable.Key {
        let count = Int(name.count)
        let start = name.lowerBound
        guard count <= HeaderNameTable.nameLengthMax && count > 0 else { return .init() }
        var key = HeaderNameTable.Key()
        key.count = count
        // In bounds: names are followed by a value and slack, and the last word begins within the name.
        key.first = Word.prefix(unsafe load(start), min(count, 8))
        if count > 16 { key.middle = unsafe load(start &+ 8) }
        if count > 8 { key.last = unsafe load(start &+ count &- 8) }
        return key
    }

    /// Eight bytes of the block, at a `place` that was written: there is slack behind it.
    @unsafe @inline(__always) private func load(_ place: Int) -> UInt64 {
        unsafe UInt64(littleEndian: block.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    }
}
