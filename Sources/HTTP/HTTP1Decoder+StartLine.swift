/// Start lines (RFC 9112 3 and 4): single spaces, nothing around them, nothing that is not visible ASCII but in reasons.
extension HTTP1Decoder {
    mutating func readRequestLine(_ line: Span<UInt8>, _ start: Int, _ head: inout MessageHead) -> Step {
        var position = start
        let method = Self.readMethod(line, &position, &head, bytesMax: limits.methodBytes)
        guard case .next = method else { return method }
        let targetStart = position
        let step = Self.readTarget(line, &position, &head)
        guard case .next = step else { return step }
        let end = Self.readVersion(line, position, &head)
        guard case .next = end else {
            return Self.isPreface(line, start, end) ? .refused(.http2Preface, start) : end
        }
        return Self.judgeTarget(&head) ? end : .refused(.invalidTarget, targetStart)
    }

    /// Copies the method into `head`. `position` is then behind the space.
    @inline(__always) private static func readMethod(
        _ line: Span<UInt8>, _ position: inout Int, _ head: inout MessageHead, bytesMax: Int
    ) -> Step {
        let word = line.word(at: position)
        let count = Method.length(word)
        head.method = Method(word, count: count)
        guard head.method != .other else { return readOtherMethod(line, &position, &head, bytesMax) }
        head.reserve(8)
        head.putWord(word, at: head.end)
        head.methodText = ByteRange(head.end, head.end &+ count)
        head.end &+= count
        position &+= count &+ 1
        return .next(position)
    }

    @inline(never) private static func readOtherMethod(
        _ line: Span<UInt8>, _ position: inout Int, _ head: inout MessageHead, _ bytesMax: Int
    ) -> Step {
        let start = position
        while position < line.count, line[position].isTokenByte { position &+= 1 }
        if position &- start > bytesMax { return .refused(.methodTooLong, start) }
        guard position < line.count else { return .incomplete }
        guard line[position] == 0x20, position > start else { return brokenMethod(line, start, position) }
        head.setMethod(line.extracting(start..<position))
        position &+= 1
        return .next(position)
    }

    /// Copies the target into the path of `head`; what it means is said later. `position` is then behind the space.
    private static func readTarget(_ line: Span<UInt8>, _ position: inout Int, _ head: inout MessageHead) -> Step {
        let start = position
        let placeAtStart = head.end
        let count = head.copy(line, from: start, to: placeAtStart) { $0.targetEnds }
        position &+= count
        guard position < line.count else { return .incomplete }
        guard line[position] == 0x20 else { return brokenTarget(line, position) }
        if position == start { return .refused(.malformedStartLine, start) }
        head.path = ByteRange(placeAtStart, placeAtStart &+ count)
        head.end = placeAtStart &+ count
        position &+= 1
        return .next(position)
    }

    /// The version at `position`, and the end of the line behind it.
    private static func readVersion(_ line: Span<UInt8>, _ position: Int, _ head: inout MessageHead) -> Step {
        switch line.word(at: position) {
        case Self.version11: head.minorVersion = 1
        case Self.version10: head.minorVersion = 0
        default: return brokenVersion(line, position)
        }
        let end = position &+ 8
        if end &+ 1 < line.count, line[end] == 0x0d, line[end &+ 1] == 0x0a { return .next(end &+ 2) }
        if end < line.count, line[end] > 0x20, line[end] != 0x7f { return .refused(.malformedVersion, end) }
        if end < line.count, line[end] == 0x20 || line[end] == 0x09 { return .refused(.malformedStartLine, end) }
        return lineEnd(line, end)
    }

    /// `HTTP/1.x SP 3DIGIT SP reason`; the space and the reason may both be missing, as some servers have it.
    mutating func readStatusLine(_ line: Span<UInt8>, _ start: Int, _ head: inout MessageHead) -> Step {
        switch line.word(at: start) {
        case Self.version11: head.minorVersion = 1
        case Self.version10: head.minorVersion = 0
        default: return Self.brokenVersion(line, start)
        }
        var position = start &+ 8
        guard position < line.count else { return .incomplete }
        guard line[position] == 0x20 else { return .refused(.malformedStartLine, position) }
        position &+= 1
        let digitsStart = position
        var status = 0
        while position < digitsStart &+ 3 {
            guard position < line.count else { return .incomplete }
            let digit = line[position] &- 0x30
            guard digit < 10 else { return .refused(.malformedStatus, position) }
            status = status &* 10 &+ Int(digit)
            position &+= 1
        }
        head.status = status
        if status < 100 { return .refused(.malformedStatus, digitsStart) }
        guard position < line.count else { return .incomplete }
        if line[position] > 0x20 && line[position] != 0x7f { return .refused(.malformedStatus, position) }
        if line[position] == 0x20 { position &+= 1 }
        let reasonStart = head.end
        let count = head.copy(line, from: position, to: reasonStart) { $0.valueEnds }
        let end = Self.lineEnd(line, position &+ count)
        if case .next = end {
            head.reason = ByteRange(reasonStart, reasonStart &+ count)
            head.end = reasonStart &+ count
        }
        return end
    }

    // MARK: - what is wrong

    private static let version11: UInt64 = 0x312e_312f_5054_5448
    private static let version10: UInt64 = 0x302e_312f_5054_5448

    private static func brokenMethod(_ line: Span<UInt8>, _ start: Int, _ position: Int) -> Step {
        switch line[position] {
        case 0x20, 0x09: .refused(position == start ? .leadingWhitespace : .malformedStartLine, position)
        case 0x0d, 0x0a, 0..<0x20, 0x7f: endOrMissing(line, position)
        default: .refused(.invalidMethod, position)
        }
    }

    private static func brokenTarget(_ line: Span<UInt8>, _ position: Int) -> Step {
        switch line[position] {
        case UInt8(ascii: "#"): .refused(.fragmentInTarget, position)
        case 0x0d, 0x0a, 0..<0x09, 0x0b..<0x20, 0x7f: endOrMissing(line, position)
        default: .refused(.invalidTarget, position)
        }
    }

    /// The line ends before it is complete, or is broken there.
    private static func endOrMissing(_ line: Span<UInt8>, _ position: Int) -> Step {
        let end = lineEnd(line, position)
        if case .next = end { return .refused(.malformedStartLine, position) }
        return end
    }

    /// No version of ours: another one in the right shape, or something else.
    private static func brokenVersion(_ line: Span<UInt8>, _ start: Int) -> Step {
        let shape: StaticString = "HTTP/"
        for index in 0..<8 {
            let position = start + index
            guard position < line.count else { return .incomplete }
            let byte = line[position]
            let isRight = index == 6 ? byte == 0x2e : index >= 5 ? byte.isDigit : byte == shape.byte(index)
            if !isRight {
                if byte < 0x20 && byte != 0x09 || byte == 0x7f { return endOrMissing(line, position) }
                return .refused(.malformedVersion, position)
            }
        }
        guard start + 8 < line.count else { return .incomplete }
        return line[start + 8] == 0x0d || line[start + 8] == 0x20
            ? .refused(.unsupportedVersion, start) : .refused(.malformedVersion, start + 8)
    }

    /// Whether a line that was refused for its version opens HTTP/2 (RFC 9113 3.4).
    private static func isPreface(_ line: Span<UInt8>, _ start: Int, _ step: Step) -> Bool {
        guard case .refused(.unsupportedVersion, _) = step else { return false }
        return line.word(at: start) == 0x5448_202a_2049_5250
            && line.word(at: start + 8) & 0xffff_ffff_ffff == 0x302e_322f_5054
    }
}

extension StaticString {
    func byte(_ index: Int) -> UInt8 {
        precondition(index < utf8CodeUnitCount)
        // In bounds by the line above; a static string's bytes live as long as the program.
        return unsafe utf8Start[index]
    }
}
