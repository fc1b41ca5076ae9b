/// The heap of idle connections by expiry. Times of one cluster only grow, so what is put in mostly stays at the bottom,
/// and what is taken again was there: both are O(1) then, and O(log count) at worst.
extension ConnectionPool {
    mutating func addToHeap(_ connection: UInt32) {
        heap.append(connection)
        entries[Int(connection)].heapPlace = Int32(heap.count - 1)
        rise(heap.count - 1)
    }

    mutating func removeFromHeap(_ connection: UInt32) {
        let place = Int(entries[Int(connection)].heapPlace)
        entries[Int(connection)].heapPlace = -1
        guard let last = heap.popLast(), last != connection else { return }
        set(last, at: place)
        rise(place)
        sink(Int(entries[Int(last)].heapPlace))
    }

    private mutating func set(_ connection: UInt32, at place: Int) {
        heap[place] = connection
        entries[Int(connection)].heapPlace = Int32(place)
    }

    private func expiry(at place: Int) -> Int64 { entries[Int(heap[place])].expires }

    private mutating func exchange(_ one: Int, _ other: Int) {
        let connection = heap[one]
        set(heap[other], at: one)
        set(connection, at: other)
    }

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0, expiry(at: place) < expiry(at: (place - 1) / 2) {
            exchange(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while 2 * place + 1 < heap.count {
            var child = 2 * place + 1
            if child + 1 < heap.count, expiry(at: child + 1) < expiry(at: child) { child += 1 }
            guard expiry(at: child) < expiry(at: place) else { return }
            exchange(place, child)
            place = child
        }
    }
}
