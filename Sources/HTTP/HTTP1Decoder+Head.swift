/// Heads: start line, fields, and what they mean together.
extension HTTP1Decoder {
    mutating func readHead(
        _ input: Span<UInt8>, _ head: inout MessageHead, _ trailers: inout MessageHead
    ) -> HTTP1Event {
        var position = 0
        if state == .startLine {
            if let event = readStartLine(input, &position, &head, &trailers) { return event }
        }
        let limit = limits.headerBytes &- sectionBytes
        let isFull = input.count >= limit
        let input = input.extracting(first: limit)
        switch readFields(input, &position, into: &head, isTrailer: false, isFull: isFull, over: .headTooLarge) {
        case .next: return finishHead(&head, position)
        case .incomplete: return needMoreBytes(position)
        case .refused(let kind, let place): return refuse(kind, at: place)
        }
    }

    /// Reads empty lines before the first line, and that. Nothing when it is complete, with `position` behind it.
    private mutating func readStartLine(
        _ input: Span<UInt8>, _ position: inout Int, _ head: inout MessageHead, _ trailers: inout MessageHead
    ) -> HTTP1Event? {
        while position < input.count {
            let limit = position &+ min(limits.startLineBytes, limits.headerBytes)
            let isFull = input.count >= limit
            let line = input.extracting(first: limit)
            guard canRead(line, isFull: isFull) else { break }
            let isEmpty = role == .request && line[position] == 0x0d
            let step =
                isEmpty ? readEmptyLine(line, position) : readFirstLine(line, position, &head, &trailers)
            switch settle(step, line, position, isFull: isFull, over: .startLineTooLong) {
            case .next(let next):
                // The head begins here, behind empty lines.
                sectionBytes = 0 &- position
                position = next
                if isEmpty { continue }
                state = .fields
                return nil
            case .incomplete: return needMoreBytes(position)
            case .refused(let kind, let place): return refuse(kind, at: place)
            }
        }
        return needMoreBytes(position)
    }

    /// An empty line before a request.
    private mutating func readEmptyLine(_ line: Span<UInt8>, _ position: Int) -> Step {
        let step = Self.lineEnd(line, position)
        guard case .next = step else { return step }
        emptyLines += 1
        return emptyLines > limits.leadingEmptyLines ? .refused(.leadingEmptyLines, position) : step
    }

    private mutating func readFirstLine(
        _ line: Span<UInt8>, _ position: Int, _ head: inout MessageHead, _ trailers: inout MessageHead
    ) -> Step {
        head.removeAll()
        trailers.removeAll()
        return role == .request ? readRequestLine(line, position, &head) : readStatusLine(line, position, &head)
    }

    mutating func needMoreBytes(_ consumed: Int) -> HTTP1Event {
        offset &+= consumed
        sectionBytes &+= consumed
        return .needMoreBytes(consumed: consumed)
    }

    private mutating func finishHead(_ head: inout MessageHead, _ consumed: Int) -> HTTP1Event {
        let problem = role == .request ? judgeRequest(&head) : judgeResponse(&head)
        if let problem { return refuse(problem, at: consumed) }
        offset &+= consumed
        return .head(consumed: consumed)
    }
}
