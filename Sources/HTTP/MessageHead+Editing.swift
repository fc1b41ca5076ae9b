/// Changes of fields and address. Names are lower case; bytes that would end a line are not let through.
extension MessageHead {
    /// Adds a field behind the others. `name` in lower case; CR, LF and NUL in `value` become spaces.
    public mutating func append(_ name: Span<UInt8>, _ value: Span<UInt8>) {
        reserve(name.count + value.count + 4)
        appendField(names.find(.init(name)).name, copy(name, .value), value)
    }

    /// Adds a field of a known name behind the others.
    public mutating func append(_ name: HeaderName, _ value: Span<UInt8>) {
        reserve(name.text.utf8CodeUnitCount + value.count + 4)
        appendField(name, put(name.text), value)
    }

    /// Adds a field of a known name behind the others. The value is ours, and not filtered.
    public mutating func append(_ name: HeaderName, _ value: StaticString) {
        reserve(name.text.utf8CodeUnitCount + value.utf8CodeUnitCount + 4)
        let nameRange = put(name.text)
        put(0x203a)
        let valueRange = put(value)
        put(0x0a0d)
        addField(HeaderField(known: name, flags: name.flags, name: nameRange, value: valueRange))
    }

    /// Takes all fields of that name out.
    public mutating func remove(_ name: HeaderName) {
        guard name != .other, var kept = index(of: name) else { return }
        for index in kept..<count where field(index).known != name { move(index, to: &kept) }
        count = kept
    }

    /// Takes all fields out whose name is `name`, in lower case.
    public mutating func remove(named name: Span<UInt8>) {
        guard var kept = index(named: name) else { return }
        for index in kept..<count where !bytes(field(index).name).hasEqualBytes(name) { move(index, to: &kept) }
        count = kept
    }

    /// Replaces all fields of that name by one.
    public mutating func set(_ name: Span<UInt8>, _ value: Span<UInt8>) {
        remove(named: name)
        append(name, value)
    }

    /// Replaces all fields of that name by one.
    public mutating func set(_ name: HeaderName, _ value: Span<UInt8>) {
        remove(name)
        append(name, value)
    }

    /// Replaces all fields of that name by one whose value is ours, and not filtered.
    public mutating func set(_ name: HeaderName, _ value: StaticString) {
        remove(name)
        append(name, value)
    }

    /// Another path, with its query: what is forwarded and what routes match from now on.
    public mutating func setPath(_ bytes: Span<UInt8>) { path = copy(bytes, .target) }

    /// Another `host[:port]`.
    public mutating func setAuthority(_ bytes: Span<UInt8>) { authority = copy(bytes, .target) }

    /// Makes this a request of that method.
    public mutating func setMethod(_ bytes: Span<UInt8>) {
        methodText = copy(bytes, .target)
        method = Method(bytes.word(at: 0), count: bytes.count)
    }

    /// Makes this an extended CONNECT (RFC 8441) for that protocol.
    public mutating func setProtocol(_ bytes: Span<UInt8>) { protocolName = copy(bytes, .target) }

    // MARK: - bytes

    /// Which bytes are not let through.
    private enum Filter {
        /// CR, LF, NUL: what ends a line for somebody.
        case value
        /// White space and controls as well: what ends the part of a line.
        case target

        func passes(_ byte: UInt8) -> Bool {
            switch self {
            case .value: byte != 0x0d && byte != 0x0a && byte != 0
            case .target: byte > 0x20 && byte != 0x7f
            }
        }

        /// Whether one of the first `count` of these eight bytes may not pass: all below 33 or 32 are suspect.
        @inline(__always) func isSuspect(_ word: UInt64, count: Int) -> Bool {
            let ones: UInt64 = 0x0101_0101_0101_0101
            // Those behind the end are made harmless.
            let word = count >= 8 ? word : word | (0x4040_4040_4040_4040 &<< UInt64(8 &* count))
            let least: UInt64 = self == .value ? 0x20 : 0x21
            let delete = word ^ (ones &* 0x7f)
            let isLow = (word &- ones &* least) & ~word
            let isDelete = (delete &- ones) & ~delete
            return (isLow | (self == .value ? 0 : isDelete)) & 0x8080_8080_8080_8080 != 0
        }
    }

    /// Adds what comes behind the name; there is room for all of it.
    private mutating func appendField(_ known: HeaderName, _ name: ByteRange, _ value: Span<UInt8>) {
        put(0x203a)
        let valueRange = copy(value, .value)
        put(0x0a0d)
        addField(HeaderField(known: known, flags: known.flags, name: name, value: valueRange))
    }

    /// Makes it a copy of `other`.
    public mutating func copy(from other: borrowing MessageHead) {
        removeAll()
        reserve(other.end)
        if let bytes = unsafe other.block {
            // In bounds: room was made above.
            unsafe base.copyMemory(from: bytes, byteCount: other.end)
        }
        end = other.end
        for index in 0..<other.count { addField(other.field(index)) }
        (method, methodText, path, authority) = (other.method, other.methodText, other.path, other.authority)
        (status, reason, minorVersion) = (other.status, other.reason, other.minorVersion)
        (protocolName, neverIndexed) = (other.protocolName, other.neverIndexed)
    }

    private mutating func copy(_ bytes: Span<UInt8>, _ filter: Filter) -> ByteRange {
        reserve(bytes.count)
        let start = end
        var index = 0
        while index < bytes.count {
            let word = bytes.word(at: index)
            if filter.isSuspect(word, count: bytes.count &- index) {
                copySlowly(bytes, from: index, to: start, filter)
                break
            }
            // There is slack behind what was reserved.
            putWord(word, at: start &+ index)
            index &+= 8
        }
        end += bytes.count
        return ByteRange(start, end)
    }

    @inline(never) private mutating func copySlowly(
        _ bytes: Span<UInt8>, from first: Int, to start: Int, _ filter: Filter
    ) {
        for index in first..<bytes.count {
            let byte = filter.passes(bytes[index]) ? bytes[index] : (filter == .value ? 0x20 : 0x5f)
            putByte(byte, at: start &+ index)
        }
    }

    /// Writes a text of ours, for which there is room. Where it lies.
    private mutating func put(_ text: StaticString) -> ByteRange {
        let (start, count) = (end, text.utf8CodeUnitCount)
        // A static string's bytes live as long as the program; the caller has made room for them.
        unsafe (base + start).copyMemory(from: text.utf8Start, byteCount: count)
        end += count
        return ByteRange(start, end)
    }

    private mutating func put(_ pair: UInt16) {
        putPair(pair, at: end)
        end += 2
    }

    private mutating func move(_ index: Int, to kept: inout Int) {
        setField(kept, field(index))
        kept += 1
    }
}
