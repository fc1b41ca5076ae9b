/// From a lower-case name's bytes to its `HeaderName`: one multiplication, one load, one comparison.
///
/// The table is built once and never freed; its multiplier is searched so that no two names meet.
@safe struct HeaderNameTable: @unchecked Sendable {
    // Sound to share: written before the value exists, never afterwards.
    private let slots: UnsafePointer<Slot>
    private let multiplier: UInt64

    static let shared = HeaderNameTable()
    private static let slotBits = 8
    private static let slotCount = 1 << slotBits
    /// Of names that can be found.
    static let nameLengthMax = 24

    /// A name as words, unused bytes zero: its first eight bytes, the next eight, and its last eight if it has more.
    struct Key: BitwiseCopyable {
        var first: UInt64 = 0
        var second: UInt64 = 0
        var last: UInt64 = 0
        var count: Int = 0
    }

    /// A name, or `other` with the count 0, which no key of a field has. 32 bytes.
    private struct Slot: BitwiseCopyable {
        var first: UInt64 = 0
        var second: UInt64 = 0
        var last: UInt64 = 0
        var count: UInt8 = 0
        var name = HeaderName.other
        var flags: UInt8 = 0

        init() {}

        init(_ name: HeaderName) {
            let key = Key(name.text)
            (first, second, last) = (key.first, key.second, key.last)
            count = UInt8(key.count)
            self.name = name
            flags = name.flags
        }
    }

    private init() {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: Self.slotCount)
        var multiplier: UInt64 = 0x9e37_79b9_7f4a_7c15
        while unsafe !Self.fill(slots, multiplier | 1) {
            multiplier = multiplier &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        }
        self.multiplier = multiplier | 1
        unsafe self.slots = UnsafePointer(slots)
    }

    /// Whether all names have a slot of their own with `multiplier`.
    private static func fill(_ slots: UnsafeMutablePointer<Slot>, _ multiplier: UInt64) -> Bool {
        // In bounds: `slotCount` were allocated, and an index is below that.
        unsafe slots.initialize(repeating: Slot(), count: slotCount)
        for name in HeaderName.allCases where name != .other {
            let index = index(Key(name.text), multiplier)
            guard unsafe slots[index].name == .other else { return false }
            unsafe slots[index] = Slot(name)
        }
        return true
    }

    @inline(__always) private static func index(_ key: Key, _ multiplier: UInt64) -> Int {
        let mixed = (key.first ^ key.second.byteSwapped &+ UInt64(truncatingIfNeeded: key.count)) &* multiplier
        return Int(truncatingIfNeeded: mixed &>> UInt64(64 - slotBits))
    }

    /// The name whose bytes are `key`, and the flags of its fields; `other` if it is none of ours.
    @inline(__always) func find(_ key: Key) -> (name: HeaderName, flags: UInt8) {
        // In bounds: an index is below `slotCount`.
        let slot = unsafe slots[Self.index(key, multiplier)]
        let difference = (slot.first ^ key.first) | (slot.second ^ key.second) | (slot.last ^ key.last)
        return difference == 0 && Int(slot.count) == key.count ? (slot.name, slot.flags) : (.other, 0)
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
