/// From a lower-case name's bytes to its `HeaderName`: one multiplication, one load, one comparison.
///
/// The table is built once and never freed; its multiplier is searched so that no two names meet.
@safe struct HeaderNameTable: @unchecked Sendable {
    // Sound to share: written before the value exists, never afterwards.
    private let slots: UnsafePointer<UInt8>
    private let entries: UnsafePointer<Entry>
    private let multiplier: UInt64

    static let shared = HeaderNameTable()
    private static let slotBits = 9
    private static let slotCount = 1 << slotBits
    /// Of names that can be found.
    static let nameLengthMax = 24

    /// A name as words, unused bytes zero: its first eight bytes, the next eight, and its last eight if it has more.
    struct Key: BitwiseCopyable, Equatable {
        var first: UInt64 = 0
        var second: UInt64 = 0
        var last: UInt64 = 0
        var count: Int = 0
    }

    private struct Entry: BitwiseCopyable {
        var key: Key
        var name: HeaderName
        var flags: UInt8
    }

    private init() {
        let all = HeaderName.allCases
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: all.count)
        let slots = UnsafeMutablePointer<UInt8>.allocate(capacity: Self.slotCount)
        // Both were allocated for as many elements as are written here, by index of `all` and by slot.
        for (index, name) in all.enumerated() {
            unsafe (entries + index).initialize(to: Entry(key: Key(name.text), name: name, flags: name.flags))
        }
        var multiplier: UInt64 = 0x9e37_79b9_7f4a_7c15
        while unsafe !Self.fill(slots, entries, count: all.count, multiplier) {
            multiplier = multiplier &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        }
        self.multiplier = multiplier | 1
        unsafe self.slots = UnsafePointer(slots)
        unsafe self.entries = UnsafePointer(entries)
    }

    /// Whether all names have a slot of their own with `multiplier`.
    private static func fill(
        _ slots: UnsafeMutablePointer<UInt8>, _ entries: UnsafeMutablePointer<Entry>, count: Int, _ multiplier: UInt64
    ) -> Bool {
        unsafe slots.update(repeating: 0, count: slotCount)
        for index in 1..<count {
            // In bounds: `slot` is below `slotCount`, `index` below `count`.
            let slot = unsafe slot(entries[index].key, multiplier | 1)
            guard unsafe slots[slot] == 0 else { return false }
            unsafe slots[slot] = UInt8(index)
        }
        return true
    }

    @inline(__always) private static func slot(_ key: Key, _ multiplier: UInt64) -> Int {
        let mixed = (key.first ^ key.second.byteSwapped &+ UInt64(truncatingIfNeeded: key.count)) &* multiplier
        return Int(truncatingIfNeeded: mixed &>> UInt64(64 - slotBits))
    }

    /// The name whose bytes are `key`, and the flags of its fields; `other` if it is none of ours.
    @inline(__always) func find(_ key: Key) -> (name: HeaderName, flags: UInt8) {
        // In bounds: a slot is below `slotCount`, and holds an index of an entry.
        let entry = unsafe entries[Int(slots[Self.slot(key, multiplier)])]
        return entry.key == key ? (entry.name, entry.flags) : (.other, 0)
    }
}

extension HeaderNameTable.Key {
    init(_ text: StaticString) {
        // A static string's bytes live as long as the program, and are only read here.
        let bytes = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        unsafe self.init(Span(_unsafeElements: bytes))
    }

    /// The key of a name of any length; longer ones than `nameLengthMax` have one that is not found.
    init(_ name: Span<UInt8>) {
        guard name.count <= HeaderNameTable.nameLengthMax else { return }
        count = name.count
        first = name.word(at: 0)
        second = name.word(at: 8)
        if count > 16 { last = name.word(at: count - 8) }
    }
}
