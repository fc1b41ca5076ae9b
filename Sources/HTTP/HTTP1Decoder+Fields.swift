/// Field lines (RFC 9112 5), of heads and of trailers: checked, lowered and copied in one pass, eight bytes at a time.
extension HTTP1Decoder {
    /// Reads the field line at `start` into `head`.
    @inline(__always) mutating func readField(
        _ input: Span<UInt8>, _ start: Int, into head: inout MessageHead, isTrailer: Bool
    ) -> Step {
        let nameStart = head.end
        var position = start
        var place = nameStart
        // Up to a byte that is none of letters, digits and `-`; other bytes of tokens are rare.
        while true {
            let count = head.copy(input, from: position, to: place) { $0.name }
            position &+= count
            place &+= count
            guard position < input.count else { return .incomplete }
            if input[position] == UInt8(ascii: ":") { break }
            guard input[position].isTokenByte else { return Self.brokenName(input, start, position) }
            position &+= 1
            place &+= 1
        }
        if position == start { return .refused(.emptyName, start) }
        let name = ByteRange(nameStart, place)
        head.putPair(0x203a, at: place)
        position &+= 1
        while position < input.count && Self.isBlank(input[position]) { position &+= 1 }
        let valueStart = place &+ 2
        var count = head.copy(input, from: position, to: valueStart) { ($0, $0.valueEnds) }
        let step = Self.lineEnd(input, position &+ count)
        guard case .next = step else { return step }
        while count > 0 && Self.isBlank(input[position &+ count &- 1]) { count &-= 1 }
        head.putPair(0x0a0d, at: valueStart &+ count)
        commit(&head, name, ByteRange(valueStart, valueStart &+ count), isTrailer: isTrailer)
        return step
    }

    @inline(__always) private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Adds the field that was written behind the end of `head`.
    @inline(__always) private mutating func commit(
        _ head: inout MessageHead, _ name: ByteRange, _ value: ByteRange, isTrailer: Bool
    ) {
        let (known, flags) = head.names.find(head.key(name))
        if isTrailer && !known.isAllowedAsTrailer { return }
        if known.isNoted {
            let bit: UInt16 = 1 &<< UInt16(known.rawValue)
            repeated |= present & bit
            present |= bit
        }
        head.end = value.upperBound &+ 2
        head.addField(HeaderField(known: known, flags: flags, name: name, value: value))
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
