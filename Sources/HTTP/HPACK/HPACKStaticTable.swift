/// The static table (RFC 7541 Appendix A), in the same form as a dynamic one. Built once and never freed.
@safe struct HPACKStaticTable: @unchecked Sendable {
    // Sound to share: written before the value exists, never afterwards.
    private let bytes: UnsafeMutableRawPointer
    private let entries: UnsafeMutablePointer<HPACKEntry>
    /// By `HeaderName`: the first entry with that name, 0 if there is none.
    private let byName: UnsafeMutablePointer<UInt8>

    static let shared = HPACKStaticTable()
    /// Indices go from 1 to this.
    static let count = 61

    private init() {
        let all = Self.fields
        let room = all.reduce(0) { $0 + $1.0.utf8CodeUnitCount + $1.1.utf8CodeUnitCount + 4 } + MessageHead.slack
        let entries = UnsafeMutablePointer<HPACKEntry>.allocate(capacity: Self.count)
        let byName = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        // In bounds here and below: there is room for all fields, all entries and all raw values of a byte.
        unsafe bytes = .allocate(byteCount: room, alignment: 16)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: room)
        unsafe byName.initialize(repeating: 0, count: 256)
        var offset = 0
        for (index, (name, value)) in all.enumerated() {
            // A static string's bytes live as long as the program, and are only read here.
            let text = unsafe UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
            let span = unsafe Span(_unsafeElements: text)
            let known = HeaderNameTable.shared.find(.init(span)).name
            let entry = HPACKEntry(
                offset: UInt32(offset), nameCount: UInt32(span.count), valueCount: UInt32(value.utf8CodeUnitCount),
                known: known, flags: known.flags | known.faults, pseudo: PseudoField(span))
            unsafe Self.write(name, value, entry, to: bytes + offset)
            unsafe (entries + index).initialize(to: entry)
            if known != .other, unsafe byName[Int(known.rawValue)] == 0 {
                unsafe byName[Int(known.rawValue)] = UInt8(index + 1)
            }
            offset += entry.stored
        }
        unsafe self.entries = unsafe entries
        unsafe self.byName = unsafe byName
    }

    private static func write(
        _ name: StaticString, _ value: StaticString, _ entry: HPACKEntry, to target: UnsafeMutableRawPointer
    ) {
        // In bounds: the caller has room for what is stored of the entry.
        let valuePlace = unsafe target + entry.valueOffset
        unsafe valuePlace.copyMemory(from: value.utf8Start, byteCount: value.utf8CodeUnitCount)
        guard entry.pseudo == .none else { return }
        unsafe target.copyMemory(from: name.utf8Start, byteCount: name.utf8CodeUnitCount)
        unsafe (valuePlace - 2).storeBytes(of: UInt16(0x203a).littleEndian, as: UInt16.self)
        unsafe (valuePlace + value.utf8CodeUnitCount).storeBytes(of: UInt16(0x0a0d).littleEndian, as: UInt16.self)
    }

    /// The entry at `index`, from 1 to `count`.
    @inline(__always) func entry(_ index: Int) -> HPACKEntry {
        precondition(index >= 1 && index <= Self.count)
        // In bounds by the line above.
        return unsafe entries[index &- 1]
    }

    /// The bytes of an entry of this table, with slack behind them.
    @unsafe @inline(__always) func pointer(_ entry: HPACKEntry) -> UnsafeRawPointer {
        // In bounds: offsets were written by `init`.
        unsafe UnsafeRawPointer(bytes + Int(entry.offset))
    }

    /// The first entry whose name is `name`, 0 if there is none.
    @inline(__always) func index(of name: HeaderName) -> Int {
        // In bounds: there is one for each raw value of a byte.
        unsafe Int(byName[Int(name.rawValue)])
    }
}
