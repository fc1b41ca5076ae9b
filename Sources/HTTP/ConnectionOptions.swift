/// What `Connection` says (RFC 9110 7.6.1): options for this connection, and names of fields that belong to it.
struct ConnectionOptions: BitwiseCopyable {
    var close = false
    var keepAlive = false
    var upgrade = false

    /// Reads all `Connection` fields of `head`, and marks the fields they name as hop-by-hop.
    mutating func read(_ head: inout MessageHead, _ limits: HTTP1Limits, isRepeated: Bool) -> Violation.Kind? {
        var left = limits.connectionOptions
        var index = head.index(of: .connection)
        while let field = index {
            if let problem = read(&head, head.field(field).value, &left) { return problem }
            index = isRepeated ? head.index(of: .connection, from: field + 1) : nil
        }
        return nil
    }

    private mutating func read(_ head: inout MessageHead, _ value: ByteRange, _ left: inout Int) -> Violation.Kind? {
        // Nearly always it is one of these, alone.
        if value.count == 10 && head.isKeepAlive(value) {
            keepAlive = true
            return nil
        }
        var list = ListReader(value)
        while let option = list.next(head) {
            left -= 1
            if left < 0 { return .tooManyConnectionOptions }
            if head.isText(option, "close") {
                close = true
            } else if head.isText(option, "keep-alive") {
                keepAlive = true
            } else if let problem = name(&head, option) {
                return problem
            }
        }
        return nil
    }

    private mutating func name(_ head: inout MessageHead, _ option: ByteRange) -> Violation.Kind? {
        head.lowercase(option)
        let known = head.names.find(head.key(option)).name
        if known.isFraming { return .connectionNamesFraming }
        if known == .upgrade { upgrade = true }
        if known.isRemovableByConnection { head.markHopByHop(option) }
        return nil
    }
}

extension MessageHead {
    /// Whether the ten bytes at `range` are `keep-alive`.
    fileprivate func isKeepAlive(_ range: ByteRange) -> Bool {
        // Letters in lower case, and the dash as it is: it shares that bit only with a control byte.
        let bits: UInt64 = 0x2020_2020_2020_2020
        let text = bytes(range)
        return text.word(at: 0) | bits == 0x696c_612d_7065_656b && text.word(at: 8) | bits == 0x2020_2020_2020_6576
    }

    /// Turns the bytes at `range` into lower case. Only for what is not forwarded.
    fileprivate mutating func lowercase(_ range: ByteRange) {
        for place in range.lowerBound..<range.upperBound {
            putByte(byte(place).lowercased, at: place)
        }
    }

    /// Marks all fields whose name is the text at `name`.
    fileprivate mutating func markHopByHop(_ name: ByteRange) {
        var index = index(named: bytes(name))
        while let found = index {
            var field = field(found)
            field.flags |= HeaderField.hopByHop
            setField(found, field)
            index = self.index(named: bytes(name), from: found + 1)
        }
    }
}
