/// The four forms of a request's target (RFC 9112 3.2).
extension HTTP1Decoder {
    /// Splits the target, which lies in the path, into authority and path. False if it is of no form its method allows.
    static func judgeTarget(_ head: inout MessageHead) -> Bool {
        let target = head.path
        if head.method == .connect {
            guard Authority.isValid(head.bytes(target), needsPort: true) else { return false }
            head.authority = target
            head.path = .none
            return true
        }
        let first = head.bytes(target)[0]
        if first == UInt8(ascii: "/") { return true }
        if first == UInt8(ascii: "*") { return target.count == 1 && head.method == .options }
        return judgeAbsoluteForm(&head, target)
    }

    private static func judgeAbsoluteForm(_ head: inout MessageHead, _ target: ByteRange) -> Bool {
        guard let start = authorityStart(head.bytes(target)) else { return false }
        var end = start
        let count = Int(target.count)
        while end < count, !isAuthorityEnd(head.bytes(target)[end]) { end += 1 }
        let authority = ByteRange(target.lowerBound + start, target.lowerBound + end)
        guard Authority.isValid(head.bytes(authority)) else { return false }
        head.authority = authority
        head.path = ByteRange(authority.upperBound, target.upperBound)
        // `http://host?x` has the path `/` (RFC 9110 4.2.3), and OPTIONS without a path is about the server (RFC 9112 3.2.4).
        if end == count || head.bytes(target)[end] == UInt8(ascii: "?") {
            head.prefixPath(head.method == .options && end == count ? UInt8(ascii: "*") : UInt8(ascii: "/"))
        }
        return true
    }

    /// Behind `http://` or `https://`, in any case.
    private static func authorityStart(_ target: Span<UInt8>) -> Int? {
        let scheme: StaticString = "http"
        guard target.count >= 8 else { return nil }
        for index in 0..<4 where target[index].lowercased != scheme.byte(index) { return nil }
        let end = target[4].lowercased == UInt8(ascii: "s") ? 5 : 4
        guard target[end] == UInt8(ascii: ":"), target[end + 1] == UInt8(ascii: "/"),
            target[end + 2] == UInt8(ascii: "/")
        else { return nil }
        return end + 3
    }

    private static func isAuthorityEnd(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") }
}

extension MessageHead {
    /// Puts `byte` before the path, which lies at the end of the block or is empty.
    fileprivate mutating func prefixPath(_ byte: UInt8) {
        let old = path
        reserve(Int(old.count) + 1)
        putByte(byte, at: end)
        for index in 0..<Int(old.count) { putByte(self.byte(old.lowerBound + index), at: end + 1 + index) }
        path = ByteRange(end, end + 1 + Int(old.count))
        end = path.upperBound
    }
}
