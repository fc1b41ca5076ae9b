/// Why a path cannot be used: 400.
public enum PathProblem: UInt8, BitwiseCopyable, Sendable, Error {
    /// `%` without two hexadecimal digits behind it.
    case invalidEscape
    /// `%00`: the end of the path for some, a byte of it for others.
    case nulByte

    /// The name in logs and metrics.
    public var label: StaticString {
        switch self {
        case .invalidEscape: "invalid_escape"
        case .nulByte: "nul_byte"
        }
    }
}

/// One spelling for each path (RFC 3986 6.2.2), so that what routes match is what the upstream serves.
extension MessageHead {
    /// Decodes percent-encoded unreserved characters and removes dot segments, in place. `%2f` stays, empty segments stay, the
    /// query is not touched. After a problem the path is as it was.
    public mutating func normalizePath() -> PathProblem? {
        guard !path.isEmpty, byte(path.lowerBound) == UInt8(ascii: "/"), needsWork else { return nil }
        let queryStart = queryStart
        if let problem = checkEscapes(queryStart) { return problem }
        let decodedEnd = decodeUnreserved(queryStart)
        let cleanEnd = removeDotSegments(decodedEnd)
        closeGap(cleanEnd, queryStart)
        return nil
    }

    /// Where the query begins, with its `?`; the path's end if there is none.
    private var queryStart: Int { path.lowerBound + pathCount }

    /// How many bytes of the path come before the query and its `?`; 0 without a path.
    public var pathCount: Int {
        var place = 0
        while place < Int(path.count) {
            let first = lanes(at: path.lowerBound &+ place).places(of: UInt8(ascii: "?")).first
            place &+= first
            if first < MemoryLayout<Lanes>.size { break }
        }
        return min(place, Int(path.count))
    }

    /// Whether there is a `%`, or a segment that begins with a dot. Nearly always there is none: sixteen bytes at a time.
    private var needsWork: Bool {
        var place = path.lowerBound
        while place < path.upperBound {
            let (here, next) = (lanes(at: place), lanes(at: place + 1))
            let queryStart = here.places(of: UInt8(ascii: "?")).first
            let work = here.places(of: UInt8(ascii: "%"), or: UInt8(ascii: "/"), before: next, UInt8(ascii: ".")).first
            if work < min(queryStart, path.upperBound - place) { return true }
            if queryStart < MemoryLayout<Lanes>.size { return false }
            place += MemoryLayout<Lanes>.size
        }
        return false
    }

    private func checkEscapes(_ queryStart: Int) -> PathProblem? {
        var place = path.lowerBound
        while place < queryStart {
            if byte(place) == UInt8(ascii: "%") {
                guard let value = escape(place, queryStart) else { return .invalidEscape }
                if value == 0 { return .nulByte }
                place += 2
            }
            place += 1
        }
        return nil
    }

    private func escape(_ place: Int, _ end: Int) -> UInt8? {
        guard place + 2 < end, let high = byte(place + 1).hexValue, let low = byte(place + 2).hexValue else {
            return nil
        }
        return high &<< 4 | low
    }

    /// Writes the path over itself, shorter; its new end.
    private mutating func decodeUnreserved(_ queryStart: Int) -> Int {
        var place = path.lowerBound
        var target = place
        while place < queryStart {
            if byte(place) == UInt8(ascii: "%"), let value = escape(place, queryStart), value.isUnreserved {
                put(value, target)
                place += 3
            } else {
                put(byte(place), target)
                place += 1
            }
            target += 1
        }
        return target
    }

    /// RFC 3986 5.2.4, in place: a segment is copied down, or takes the one before it along.
    private mutating func removeDotSegments(_ end: Int) -> Int {
        let start = path.lowerBound
        var place = start
        var target = start
        while place < end {
            // At a slash. The segment behind it:
            var segmentEnd = place + 1
            while segmentEnd < end, byte(segmentEnd) != UInt8(ascii: "/") { segmentEnd += 1 }
            let isLast = segmentEnd == end
            switch dots(place + 1, segmentEnd) {
            case 1:
                if isLast { target = putSlash(target) }
            case 2:
                while target > start, byte(target - 1) != UInt8(ascii: "/") { target -= 1 }
                target = max(target - 1, start)
                if isLast { target = putSlash(target) }
            default:
                for index in place..<segmentEnd { put(byte(index), target + index - place) }
                target += segmentEnd - place
            }
            place = segmentEnd
        }
        return target
    }

    private mutating func putSlash(_ place: Int) -> Int {
        put(UInt8(ascii: "/"), place)
        return place + 1
    }

    /// 1 for `.`, 2 for `..`, 0 for any other segment.
    private func dots(_ start: Int, _ end: Int) -> Int {
        guard end - start == 1 || end - start == 2 else { return 0 }
        for place in start..<end where byte(place) != UInt8(ascii: ".") { return 0 }
        return end - start
    }

    /// Moves the query to the end of the path.
    private mutating func closeGap(_ cleanEnd: Int, _ queryStart: Int) {
        let queryCount = path.upperBound - queryStart
        for index in 0..<queryCount { put(byte(queryStart + index), cleanEnd + index) }
        path = ByteRange(path.lowerBound, cleanEnd + queryCount)
    }

    private mutating func put(_ byte: UInt8, _ place: Int) { putByte(byte, at: place) }
}

extension UInt8 {
    /// RFC 3986 2.3: the same whether percent-encoded or not.
    fileprivate var isUnreserved: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
