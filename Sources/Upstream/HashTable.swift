import Model

/// The lookup table of one ringHash or maglev cluster: from a client's hash to a member (its number in the cluster).
///
/// Immutable, built off the workers, shared between generations for as long as the cluster's endpoints stay the same.
@safe final class HashTable: @unchecked Sendable {
    // Sound to share: written in `init` only.
    /// ring: `count` sorted points, then the member of each; maglev: one member for each place.
    private let words: UnsafeMutablePointer<UInt32>
    private let count: Int
    private let isRing: Bool
    /// Of the endpoints it was built from, in their order.
    let fingerprint: UInt64
    /// How many endpoints it was built from: all members are below.
    let memberCount: Int

    /// One endpoint as the tables see it.
    struct Member {
        /// A stable hash of its address.
        let hash: UInt64
        /// 1 or more.
        let weight: Int
    }

    /// A table's content without ownership: bare bits, so that looking something up costs no reference counting.
    /// Whoever keeps one keeps its table.
    @safe struct View: @unchecked Sendable, BitwiseCopyable {
        // Sound to share: what it points to is never written after `HashTable.init`.
        private let words: UnsafeMutablePointer<UInt32>?
        /// How many places there are to walk.
        let count: Int
        private let isRing: Bool

        /// No table.
        static let none = View()

        private init() {
            unsafe words = nil
            count = 0
            isRing = false
        }

        fileprivate init(_ table: HashTable) {
            unsafe words = table.words
            count = table.count
            isRing = table.isRing
        }

        /// Where the walk of a client starts.
        func place(of clientHash: UInt64) -> Int {
            guard isRing else { return Int(clientHash % UInt64(max(count, 1))) }
            let point = UInt32(truncatingIfNeeded: clientHash >> 32)
            var low = 0
            var high = count
            while low < high {
                let middle = (low + high) / 2
                if word(middle) < point { low = middle + 1 } else { high = middle }
            }
            return low == count ? 0 : low
        }

        /// The member at a place in `0..<count`.
        func member(at place: Int) -> Int { Int(word(isRing ? count + place : place)) }

        private func word(_ index: Int) -> UInt32 {
            guard let words = unsafe words, index >= 0, index < (isRing ? 2 * count : count) else { return 0 }
            // In bounds by the guard: a ring has 2 x count words, maglev count.
            return unsafe words[index]
        }
    }

    private init(_ content: [UInt32], isRing: Bool, fingerprint: UInt64, memberCount: Int) {
        unsafe words = .allocate(capacity: max(content.count, 1))
        for (index, word) in content.enumerated() {
            // In bounds of the allocation above, initialised exactly once.
            unsafe (words + index).initialize(to: word)
        }
        count = isRing ? content.count / 2 : content.count
        self.isRing = isRing
        self.fingerprint = fingerprint
        self.memberCount = memberCount
    }

    deinit {
        // The allocation of `init`; UInt32 needs no deinitialisation.
        unsafe words.deallocate()
    }

    convenience init(ring members: [Member], fingerprint: UInt64) {
        self.init(
            HashRing.words(members), isRing: true, fingerprint: fingerprint, memberCount: members.count)
    }

    convenience init(maglev members: [Member], fingerprint: UInt64) {
        self.init(
            MaglevTable.words(members), isRing: false, fingerprint: fingerprint, memberCount: members.count)
    }

    var view: View { View(self) }

    /// The table of a cluster whose policy has one; `previous` when it would be the same.
    static func table(_ source: ClusterTable.Source, reusing previous: HashTable?) -> HashTable? {
        let policy = source.record.loadBalancer
        guard policy == .ringHash || policy == .maglev, !source.set.records.isEmpty else { return nil }
        let members = source.set.records.map { Member(hash: StableHash.of($0.address), weight: $0.weight) }
        let fingerprint = members.reduce(policy == .ringHash ? 1 : 2) {
            StableHash.combine(StableHash.combine($0, $1.hash), UInt64($1.weight))
        }
        if let previous, previous.fingerprint == fingerprint, previous.memberCount == members.count { return previous }
        return policy == .ringHash
            ? HashTable(ring: members, fingerprint: fingerprint) : HashTable(maglev: members, fingerprint: fingerprint)
    }
}
