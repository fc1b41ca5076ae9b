/// What is found out about a field section (RFC 9113 8.1) while it is decoded, and the limits it is held to.
struct FieldSection: BitwiseCopyable {
    /// What the section is.
    enum Kind: UInt8, BitwiseCopyable {
        case request, response, trailers
        /// Of a stream that is not there: decoded for the table only.
        case ignored
    }

    let kind: Kind
    /// As SETTINGS_MAX_HEADER_LIST_SIZE counts: name, value and 32 for each field.
    var bytesLeft: Int
    var countLeft: Int
    /// Pseudo-fields that have come, by bit, and whether a field proper has.
    var pseudo: UInt8 = 0
    var hasFields = false
    var cookies = 0
    /// The first thing that is wrong with the message. Fields are not kept any more then.
    var problem: HTTP2Violation.Kind?

    init(_ kind: Kind, bytes: Int, count: Int) {
        self.kind = kind
        bytesLeft = bytes
        countLeft = count
    }

    @inline(__always) func has(_ field: PseudoField) -> Bool { pseudo & field.bit != 0 }

    mutating func fail(_ kind: HTTP2Violation.Kind) { if problem == nil { problem = kind } }

    /// Whether the field of `entry` is kept; if not, why not is noted.
    @inline(__always) mutating func admits(_ entry: HPACKEntry) -> Bool {
        bytesLeft &-= entry.size
        countLeft &-= 1
        if bytesLeft >= 0 && countLeft >= 0 && problem == nil && kind != .ignored && entry.flags & FieldFault.all == 0 {
            return true
        }
        refuse(entry)
        return false
    }

    @inline(never) private mutating func refuse(_ entry: HPACKEntry) {
        if bytesLeft < 0 { fail(kind == .trailers ? .trailersTooLarge : .headTooLarge) }
        if countLeft < 0 { fail(.tooManyFields) }
        if entry.flags & FieldFault.name != 0 { fail(.fieldName) }
        if entry.flags & FieldFault.value != 0 { fail(.fieldValue) }
        if entry.flags & FieldFault.connection != 0 { fail(.connectionField) }
        // So that the counters cannot wrap around.
        bytesLeft = max(bytesLeft, -1)
        countLeft = max(countLeft, -1)
    }

    /// Adds the field that lies at `start` of `head`'s block as its entry says; the block ends behind it then.
    @inline(__always) mutating func take(_ entry: HPACKEntry, at start: Int, _ head: inout MessageHead) {
        guard entry.pseudo == .none else {
            head.end = start &+ Int(entry.valueCount)
            if entry.flags & HeaderField.neverIndexed != 0 { head.neverIndexed |= entry.pseudo.bit }
            return takePseudo(entry.pseudo, ByteRange(start, head.end), &head)
        }
        hasFields = true
        let known = entry.known
        if kind == .trailers && !known.isAllowedAsTrailer { return }
        if known == .cookie { cookies &+= 1 }
        let nameEnd = start &+ Int(entry.nameCount)
        let value = ByteRange(nameEnd &+ 2, nameEnd &+ 2 &+ Int(entry.valueCount))
        head.addField(HeaderField(known: known, flags: entry.flags, name: ByteRange(start, nameEnd), value: value))
        head.end = start &+ entry.stored
    }

    // MARK: - pseudo-fields

    /// RFC 9113 8.3: before all others, each at most once, only those that belong to the message.
    private mutating func takePseudo(_ field: PseudoField, _ value: ByteRange, _ head: inout MessageHead) {
        guard !hasFields, pseudo & field.bit == 0, isAllowed(field) else { return fail(.pseudoField) }
        pseudo |= field.bit
        switch field {
        case .none: break
        case .authority: head.authority = value
        case .path: head.path = value
        case .method:
            head.methodText = value
            head.method = Method(head.bytes(value).word(at: 0), count: Int(value.count))
            if head.method == .other && !(value.count <= Self.methodBytes && head.isToken(value)) { fail(.pseudoField) }
        case .scheme: if !head.isScheme(value) { fail(.pseudoField) }
        case .status: takeStatus(value, &head)
        case .protocolName:
            head.protocolName = value
            if !head.isToken(value) { fail(.pseudoField) }
        }
    }

    /// Bytes of a method, as for HTTP/1.
    private static let methodBytes = 32

    private func isAllowed(_ field: PseudoField) -> Bool {
        switch kind {
        case .request: field != .status
        case .response: field == .status
        case .trailers, .ignored: false
        }
    }

    private mutating func takeStatus(_ value: ByteRange, _ head: inout MessageHead) {
        guard value.count == 3 else { return fail(.pseudoField) }
        var status = 0
        for place in value.lowerBound..<value.upperBound {
            guard head.byte(place).isDigit else { return fail(.pseudoField) }
            status = status * 10 + Int(head.byte(place) - 0x30)
        }
        // RFC 9113 8.6: there is no 101.
        if status < 100 || status == 101 { return fail(.pseudoField) }
        head.status = status
    }
}

extension MessageHead {
    /// RFC 3986 3.1. Nearly always http or https.
    fileprivate func isScheme(_ range: ByteRange) -> Bool {
        let bytes = bytes(range)
        guard bytes.count > 0, bytes[0].isLetter else { return false }
        for index in bytes.indices {
            let byte = bytes[index]
            guard byte.isLetter || byte.isDigit || byte == 0x2b || byte == 0x2d || byte == 0x2e else { return false }
        }
        return true
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
}
