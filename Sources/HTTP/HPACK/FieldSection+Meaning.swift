/// What a complete section says about its message, and whether it may (RFC 9113 8).
extension FieldSection {
    /// Judges a request. Its Content-Length, if it has one.
    @inline(__always) mutating func judgeRequest(_ head: inout MessageHead, _ limits: HTTP2Limits) -> Int? {
        let needed = PseudoField.method.bit | PseudoField.scheme.bit | PseudoField.path.bit
        if head.method == .connect || has(.protocolName) {
            judgeConnect(&head)
        } else if pseudo & needed != needed {
            fail(.missingPseudoField)
        } else {
            judgeTarget(&head)
        }
        if cookies > 1 && problem == nil { head.joinCookies() }
        return judgeLength(head, limits)
    }

    /// Judges a response. Its Content-Length, if it has one.
    mutating func judgeResponse(_ head: inout MessageHead, _ limits: HTTP2Limits) -> Int? {
        if !has(.status) { fail(.missingPseudoField) }
        return judgeLength(head, limits)
    }

    /// CONNECT (RFC 9113 8.5), and the extended one (RFC 8441 4), which is to be asked for as an upgrade of HTTP/1.
    private mutating func judgeConnect(_ head: inout MessageHead) {
        if head.has(.contentLength) { return fail(.contentLength) }
        if has(.protocolName) {
            guard head.method == .connect else { return fail(.pseudoField) }
            guard has(.scheme), has(.path), has(.authority) else { return fail(.missingPseudoField) }
            judgeTarget(&head)
            if problem == nil { head.appendUpgrade() }
        } else {
            if has(.scheme) || has(.path) { return fail(.pseudoField) }
            guard has(.authority) else { return fail(.missingPseudoField) }
            if !Authority.isValid(head.bytes(head.authority), needsPort: true) { return fail(.invalidAuthority) }
            judgeHost(&head)
        }
    }

    @inline(__always) private mutating func judgeTarget(_ head: inout MessageHead) {
        if !head.isPath(head.path) { fail(.invalidPath) }
        if !has(.authority) || head.has(.host) { judgeHost(&head) }
        if head.authority.isNone || !Authority.isValid(head.bytes(head.authority)) { fail(.invalidAuthority) }
    }

    /// RFC 9113 8.3.1: Host stands in for the authority, and says the same if both are there.
    private mutating func judgeHost(_ head: inout MessageHead) {
        guard head.has(.host), let host = head.value(.host) else { return }
        if head.isRepeated(.host) { return fail(.invalidAuthority) }
        if !has(.authority) {
            head.authority = host
        } else if !head.isSame(host, head.authority) {
            fail(.invalidAuthority)
        }
    }

    @inline(__always) private mutating func judgeLength(_ head: borrowing MessageHead, _ limits: HTTP2Limits) -> Int? {
        guard head.has(.contentLength) else { return nil }
        guard !head.isRepeated(.contentLength), let length = head.contentLength else {
            fail(.contentLength)
            return nil
        }
        if length > limits.bodyBytes { fail(.bodyTooLarge) }
        return length
    }
}

extension MessageHead {
    /// Origin form, or `*` for OPTIONS: visible ASCII without `#`.
    @inline(__always) fileprivate func isPath(_ range: ByteRange) -> Bool {
        guard !range.isEmpty else { return false }
        let first = byte(range.lowerBound)
        guard first == UInt8(ascii: "/") || (first == UInt8(ascii: "*") && range.count == 1 && method == .options)
        else {
            return false
        }
        var place = range.lowerBound
        while place < range.upperBound {
            let end = lanes(at: place).targetEnds.first
            place &+= end
            if end < MemoryLayout<Lanes>.size { break }
        }
        return place >= range.upperBound
    }

    /// Whether the bytes at both ranges are the same but for the case of letters.
    fileprivate func isSame(_ first: ByteRange, _ second: ByteRange) -> Bool {
        let (first, second) = (bytes(first), bytes(second))
        guard first.count == second.count else { return false }
        for index in first.indices where first[index].lowercased != second[index].lowercased { return false }
        return true
    }

    /// Puts the protocol of an extended CONNECT into a field Upgrade.
    fileprivate mutating func appendUpgrade() {
        let (name, value) = (HeaderName.upgrade, protocolName)
        let text = name.text
        reserve(text.utf8CodeUnitCount + 2 + Int(value.count))
        let start = end
        let nameEnd = start + text.utf8CodeUnitCount
        // There is room for the name, and `putBytes` sees to slack; the value lies in the block, which does not move then.
        unsafe (base + start).copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        putPair(0x203a, at: nameEnd)
        unsafe putBytes(base + value.lowerBound, count: Int(value.count), at: nameEnd + 2)
        end = nameEnd + 2 + Int(value.count)
        let line = (name: ByteRange(start, nameEnd), value: ByteRange(nameEnd + 2, end))
        reserve(2)
        putPair(0x0a0d, at: end)
        end += 2
        addField(HeaderField(known: name, flags: name.flags, name: line.name, value: line.value))
    }

    /// Makes one field of all Cookie fields (RFC 9113 8.2.3).
    fileprivate mutating func joinCookies() {
        guard let first = index(of: .cookie) else { return }
        let start = end
        let name = field(first).name
        var flags: UInt8 = 0
        copyWithin(name)
        let nameEnd = end
        put(0x203a)
        var index = Optional(first)
        while let found = index {
            let crumb = field(found)
            flags |= crumb.flags
            // An empty one would leave a space at the end.
            if !crumb.value.isEmpty {
                if end > nameEnd + 2 { put(0x203b) }
                copyWithin(crumb.value)
            }
            index = self.index(of: .cookie, from: found + 1)
        }
        let value = ByteRange(nameEnd + 2, end)
        put(0x0a0d)
        setField(first, HeaderField(known: .cookie, flags: flags, name: ByteRange(start, nameEnd), value: value))
        removeCookies(behind: first)
    }

    private mutating func put(_ pair: UInt16) {
        reserve(2)
        putPair(pair, at: end)
        end += 2
    }

    private mutating func removeCookies(behind first: Int) {
        var kept = first + 1
        for index in kept..<count where field(index).known != .cookie {
            setField(kept, field(index))
            kept += 1
        }
        count = kept
    }

    /// Appends a copy of bytes of the block.
    private mutating func copyWithin(_ range: ByteRange) {
        reserve(Int(range.count))
        // The block does not move any more; `putBytes` finds the room that was made.
        unsafe putBytes(base + range.lowerBound, count: Int(range.count), at: end)
        end += Int(range.count)
    }
}
