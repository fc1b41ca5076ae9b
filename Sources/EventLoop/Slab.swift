import Model

/// Where a thing is in a slab. A handle whose thing has gone finds nothing, even if its place was taken again.
public struct SlabHandle: Hashable, Sendable, BitwiseCopyable {
    /// The place.
    public let index: UInt32
    /// Counts how often the place was taken; 24 bits, so that a handle and a kind fit into one poller token.
    public let generation: UInt32

    /// A handle from its parts, e.g. out of a poller token.
    @inlinable
    public init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
}

/// Things at stable addresses, by handle. Pages of 64, taken as needed and kept; not shared between threads.
///
/// Inlinable, because a generic that is not specialised looks its types up at run time: 1,000 instructions a request.
@safe public struct Slab<Element: ~Copyable>: ~Copyable {
    @usableFromInline static var pageSize: Int { 64 }
    @usableFromInline var pages = unsafe RecordList<UnsafeMutablePointer<Element>>()
    /// By place: the generation, odd while taken.
    @usableFromInline var generations = RecordList<UInt32>()
    @usableFromInline var free = RecordList<UInt32>()
    @usableFromInline var taken = 0

    /// Things in it.
    public var count: Int { taken }

    /// Empty.
    public init() {}

    deinit {
        for index in generations.indices where generations[index] & 1 == 1 {
            // An odd generation marks an initialised place.
            unsafe pointer(at: index).deinitialize(count: 1)
        }
        // Every page was allocated by `addPlace`, and is empty now.
        for page in unsafe pages.indices { unsafe pages[page].deallocate() }
    }

    /// Puts a thing in.
    @inlinable
    public mutating func insert(_ element: consuming Element) -> SlabHandle { place(element).handle }

    /// Puts a thing in, and says where it lies.
    @inlinable @inline(__always)
    public mutating func place(
        _ element: consuming Element
    ) -> (handle: SlabHandle, reference: SlabReference<Element>) {
        let index = free.popLast() ?? addPlace()
        let place = Int(index)
        generations[place] = (generations[place] &+ 1) & 0xff_ffff
        // The place was free (even generation), so it is not initialised; it is in its page's bounds.
        let pointer = unsafe pointer(at: place)
        unsafe pointer.initialize(to: element)
        taken += 1
        // Pages do not move.
        return unsafe (SlabHandle(index: index, generation: generations[place]), SlabReference(pointer))
    }

    /// Takes a thing out; nil when the handle is stale.
    @inlinable
    public mutating func remove(_ handle: SlabHandle) -> Element? {
        let place = Int(handle.index)
        guard place < generations.count, generations[place] == handle.generation, handle.generation & 1 == 1 else {
            return nil
        }
        generations[place] = (generations[place] &+ 1) & 0xff_ffff
        free.append(handle.index)
        taken -= 1
        // The odd generation said it was initialised; it no longer is.
        return unsafe pointer(at: place).move()
    }

    /// Takes a thing out and ends its life where it lies. False: the handle is stale.
    @inlinable
    public mutating func discard(_ handle: SlabHandle) -> Bool {
        let place = Int(handle.index)
        guard place < generations.count, generations[place] == handle.generation, handle.generation & 1 == 1 else {
            return false
        }
        generations[place] = (generations[place] &+ 1) & 0xff_ffff
        free.append(handle.index)
        taken -= 1
        // The odd generation said it was initialised; it no longer is.
        unsafe pointer(at: place).deinitialize(count: 1)
        return true
    }

    /// The thing, in place; nil when the handle is stale. The reference is good until the thing is removed.
    @inlinable @inline(__always)
    public func find(_ handle: SlabHandle) -> SlabReference<Element>? {
        let place = Int(handle.index)
        guard place < generations.count, generations[place] == handle.generation, handle.generation & 1 == 1 else {
            return nil
        }
        // Initialised (odd generation), and pages do not move.
        return unsafe SlabReference(pointer(at: place))
    }

    /// The handle of what is at `index` now; nil when nothing is.
    @inlinable
    public func handle(at index: Int) -> SlabHandle? {
        guard index < generations.count, generations[index] & 1 == 1 else { return nil }
        return SlabHandle(index: UInt32(index), generation: generations[index])
    }

    /// One past the highest place ever taken, to walk over everything with `handle(at:)`.
    @inlinable
    public var indexEnd: Int { generations.count }

    /// Where a place is. Its page is there, because its generation is.
    @inlinable @inline(__always)
    func pointer(at place: Int) -> UnsafeMutablePointer<Element> {
        // In bounds: a page has `pageSize` places.
        unsafe pages[place / Self.pageSize] + place % Self.pageSize
    }

    @usableFromInline @inline(never)
    mutating func addPlace() -> UInt32 {
        if generations.count % Self.pageSize == 0 {
            // Freed in deinit.
            unsafe pages.append(.allocate(capacity: Self.pageSize))
        }
        generations.append(0)
        return UInt32(generations.count - 1)
    }
}

/// A thing in a slab, in place. Copying it copies the address. The holder does not use it after removing the thing.
@safe public struct SlabReference<Element: ~Copyable>: BitwiseCopyable {
    @usableFromInline let pointer: UnsafeMutablePointer<Element>

    @inlinable
    init(_ pointer: UnsafeMutablePointer<Element>) { unsafe self.pointer = pointer }

    /// The thing.
    @inlinable
    public var value: Element {
        unsafeAddress { unsafe UnsafePointer(pointer) }
        nonmutating unsafeMutableAddress { unsafe pointer }
    }
}
