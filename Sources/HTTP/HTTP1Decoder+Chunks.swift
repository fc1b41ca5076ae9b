/// Chunked bodies (RFC 9112 7.1): extensions are read and dropped, trailers are kept.
extension HTTP1Decoder {
    mutating func readChunks(_ input: Span<UInt8>, _ trailers: inout MessageHead) -> HTTP1Event {
        var position = 0
        if state == .chunkEnd, let event = readChunkEnd(input, &position) { return event }
        if state == .chunkLine, let event = readChunkLine(input, &position) { return event }
        return state == .trailers ? readTrailers(input, position, &trailers) : readChunkData(input, position)
    }

    /// The bytes of a chunk that are there, and the line break behind the last of them.
    private mutating func readChunkData(_ input: Span<UInt8>, _ start: Int) -> HTTP1Event {
        let count = min(remaining, input.count &- start)
        guard count > 0 else { return needMoreBytes(start) }
        var position = start &+ count
        remaining &-= count
        if remaining == 0 {
            state = .chunkEnd
            if position &+ 1 < input.count, input[position] == 0x0d, input[position &+ 1] == 0x0a {
                position &+= 2
                state = .chunkLine
            }
        }
        offset &+= position
        return .data(consumed: position, body: start..<(start &+ count))
    }

    private mutating func readChunkEnd(_ input: Span<UInt8>, _ position: inout Int) -> HTTP1Event? {
        guard input.count > 0 else { return .needMoreBytes(consumed: 0) }
        guard input[0] == 0x0d else { return refuse(.missingChunkEnd, at: 0) }
        guard input.count > 1 else { return .needMoreBytes(consumed: 0) }
        guard input[1] == 0x0a else { return refuse(.missingChunkEnd, at: 1) }
        position = 2
        state = .chunkLine
        return nil
    }

    private mutating func readChunkLine(_ input: Span<UInt8>, _ position: inout Int) -> HTTP1Event? {
        let limit = position &+ limits.chunkLineBytes
        let isFull = input.count >= limit
        let line = input.extracting(first: limit)
        guard canRead(line, isFull: isFull) else { return needMoreBytes(position) }
        var size = 0
        let step = readSize(line, position, &size)
        switch settle(step, line, position, isFull: isFull, over: .chunkLineTooLong) {
        case .next(let next): position = next
        case .incomplete: return needMoreBytes(position)
        case .refused(let kind, let place): return refuse(kind, at: place)
        }
        if size > limits.bodyBytes &- bodyBytes { return refuse(.bodyTooLarge, at: position) }
        if extensionBytes > limits.chunkExtensionBytes { return refuse(.invalidChunkExtension, at: position) }
        bodyBytes &+= size
        remaining = size
        state = size == 0 ? .trailers : .chunkData
        // The trailers begin here.
        sectionBytes = 0 &- position
        return nil
    }

    /// Hexadecimal digits, nothing around them; then the line's end, or extensions.
    private mutating func readSize(_ line: Span<UInt8>, _ start: Int, _ size: inout Int) -> Step {
        var position = start
        while position < line.count, let digit = line[position].hexValue {
            // Fifteen digits fit into an Int; more are nobody's chunk.
            if position &- start >= 15 { return .refused(.invalidChunkSize, position) }
            size = size &<< 4 | Int(digit)
            position &+= 1
        }
        guard position < line.count else { return .incomplete }
        switch line[position] {
        case 0x0d where position > start: return Self.lineEnd(line, position)
        case UInt8(ascii: ";") where position > start: return readExtensions(line, position)
        case 0x0d, 0x0a: return Self.brokenSize(line, position)
        default: return .refused(.invalidChunkSize, position)
        }
    }

    private static func brokenSize(_ line: Span<UInt8>, _ position: Int) -> Step {
        let end = lineEnd(line, position)
        if case .next = end { return .refused(.invalidChunkSize, position) }
        return end
    }

    /// What is in them does not matter to us, but where they end does to everybody: no control byte, quoted or not.
    private mutating func readExtensions(_ line: Span<UInt8>, _ start: Int) -> Step {
        let position = Self.controlIndex(line, start)
        let end = Self.lineEnd(line, position)
        if case .next = end { extensionBytes &+= position &- start }
        return end
    }

    /// Fields until an empty line. Those that must not be trailers are dropped.
    private mutating func readTrailers(
        _ input: Span<UInt8>, _ start: Int, _ trailers: inout MessageHead
    ) -> HTTP1Event {
        var position = start
        let limit = limits.trailerBytes &- sectionBytes
        let isFull = input.count >= limit
        let input = input.extracting(first: limit)
        switch readFields(input, &position, into: &trailers, isTrailer: true, isFull: isFull, over: .trailersTooLarge) {
        case .next: return finish(consumed: position)
        case .incomplete: return needMoreBytes(position)
        case .refused(let kind, let place): return refuse(kind, at: place)
        }
    }
}
