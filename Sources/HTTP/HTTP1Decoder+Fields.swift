/// Field sections (RFC 9112 5 and 7.1.2): those of heads, and trailers.
extension HTTP1Decoder {
    /// Bytes that are taken into the block at once. More than that is seldom in a head, and a body may follow it.
    private static let pieceSize = 1 << 10

    /// Reads field lines from `position` on, up to an empty line, into `head`. `next` if that is reached; else what became of
    /// the line at `position`, before which everything is done with.
    mutating func readFields(
        _ input: Span<UInt8>, _ position: inout Int, into head: inout MessageHead, isTrailer: Bool, isFull: Bool,
        over limit: Violation.Kind
    ) -> Step {
        guard canRead(input, isFull: isFull) else { return .incomplete }
        var place = head.end
        var takenEnd = place
        while true {
            // The places of input and block go in step until more is taken.
            let behind = position &- place
            let size = max(Self.pieceSize, takenEnd &- place)
            takenEnd = head.take(input, from: takenEnd &+ behind, count: size, to: takenEnd)
            let isDone = scanFields(&place, &head, isTrailer: isTrailer)
            if place &+ behind > position { scanned = 0 }
            position = place &+ behind
            head.end = place
            if isDone {
                scanned = 0
                return .next(position)
            }
            if takenEnd &+ behind == input.count { break }
        }
        let step = position < input.count ? brokenField(input, position, head) : .incomplete
        return settleUnfinished(step, input, position, isFull: isFull, over: limit)
    }

    /// Adds all fields to the index that are complete; `place` is behind them then. Whether the empty line was there.
    @inline(__always) private mutating func scanFields(
        _ place: inout Int, _ head: inout MessageHead, isTrailer: Bool
    ) -> Bool {
        while true {
            if head.isLineEnd(at: place) {
                place &+= 2
                return true
            }
            guard head.count < limits.headerCount,
                let next = head.addScannedField(place, isTrailer: isTrailer)
            else { return false }
            place = next
        }
    }

    // MARK: - what is wrong

    /// Why there is no field at `start`.
    private func brokenField(_ input: Span<UInt8>, _ start: Int, _ head: borrowing MessageHead) -> Step {
        if input[start] == 0x0d || input[start] == 0x0a { return Self.lineEnd(input, start) }
        if head.count >= limits.headerCount { return .refused(.tooManyFields, start) }
        var position = start
        while position < input.count, input[position].isTokenByte { position += 1 }
        guard position < input.count else { return .incomplete }
        guard input[position] == UInt8(ascii: ":") else {
            return Self.brokenName(input, start, position, isFirst: head.count == 0)
        }
        if position == start { return .refused(.emptyName, start) }
        let end = Self.lineEnd(input, Self.controlIndex(input, position))
        // The end was found before, unless it is not there.
        if case .next = end { return .refused(.controlCharacter, position) }
        return end
    }

    /// Why the name at `start` ends at `position`, which is not a colon.
    private static func brokenName(_ input: Span<UInt8>, _ start: Int, _ position: Int, isFirst: Bool) -> Step {
        switch input[position] {
        // Only what follows a field can be folded into it.
        case 0x20, 0x09:
            .refused(position > start ? .spaceBeforeColon : isFirst ? .leadingWhitespace : .obsoleteFold, position)
        case 0..<0x20, 0x7f:
            if case .next = lineEnd(input, position) {
                .refused(.missingColon, position)
            } else {
                lineEnd(input, position)
            }
        default: .refused(.invalidName, position)
        }
    }
}
