/// From a pod's address to its number, as a flat table that is looked into without touching a reference count: open
/// addressing, at most half full, the next free place after a collision.
struct AddressIndex: Sendable {
    struct Place: Sendable, BitwiseCopyable {
        var address: IPAddress
        /// `empty`: nobody.
        var number: UInt32
    }

    static let empty = UInt32.max
    let places: RecordTable<Place>

    /// An index of these addresses.
    init(_ numbers: [IPAddress: UInt32]) {
        var count = 8
        while count < numbers.count * 2 { count *= 2 }
        var places = [Place](repeating: Place(address: .anyV6, number: Self.empty), count: count)
        for (address, number) in numbers {
            var place = Self.place(of: address, count)
            while places[place].number != Self.empty { place = (place + 1) & (count - 1) }
            places[place] = Place(address: address, number: number)
        }
        self.places = RecordTable(places)
    }

    /// The number of `address`; nil: not in the index.
    static func number(of address: IPAddress, in places: RecordView<Place>) -> Int? {
        var place = place(of: address, places.count)
        // Ends: half of the places are empty.
        while true {
            let found = places[place]
            if found.number == empty { return nil }
            if found.address == address { return Int(found.number) }
            place = (place + 1) & (places.count - 1)
        }
    }

    /// Where the search for an address starts; `count` is a power of two.
    private static func place(of address: IPAddress, _ count: Int) -> Int {
        // Both halves multiplied into the high bits, so that neighbours of one subnet spread.
        let mixed = (address.low &* 0x9e37_79b9_7f4a_7c15) ^ (address.high &* 0xc2b2_ae3d_27d4_eb4f)
        return Int(truncatingIfNeeded: (mixed ^ mixed >> 32) &* 0xd6e8_feb8_6659_fd93 >> 33) & (count - 1)
    }
}
