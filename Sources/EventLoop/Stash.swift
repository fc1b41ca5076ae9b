/// A stack of spare things whose memory is used again.
@safe public struct Stash<Element: ~Copyable>: ~Copyable {
    private var storage: UnsafeMutablePointer<Element>
    private var capacity: Int
    /// How many there are.
    public private(set) var count = 0

    /// Empty.
    public init() {
        capacity = 16
        // Freed in deinit.
        unsafe storage = .allocate(capacity: 16)
    }

    deinit {
        // The first `count` places are initialised.
        unsafe storage.deinitialize(count: count)
        unsafe storage.deallocate()
    }

    /// Puts one by.
    public mutating func push(_ element: consuming Element) {
        if count == capacity { grow() }
        // In bounds by the line above; the place is not initialised.
        unsafe (storage + count).initialize(to: element)
        count += 1
    }

    /// Takes the last one.
    public mutating func pop() -> Element? {
        guard count > 0 else { return nil }
        count -= 1
        // Initialised; no longer from here on.
        return unsafe (storage + count).move()
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        // All places of the smaller one are initialised, none afterwards.
        unsafe larger.moveInitialize(from: storage, count: count)
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity *= 2
    }
}
