import Buffers
import Model

extension OutputBuffer {
    /// Appends an address as RFC 5952 has it, without its port.
    public mutating func append(_ address: IPAddress) { append { $0.append(address) } }

    /// Appends a version 4 UUID made of these random bits.
    public mutating func appendUUID(_ high: UInt64, _ low: UInt64) {
        append { $0.append((high & ~0xf000 | 0x4000, low & ~(0xc000 << 48) | 0x8000 << 48)) }
    }

    private mutating func append(_ write: (inout ValueWriter) -> Void) {
        // The memory is used within the call only; the writer has written what it counts.
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { memory in
            var writer = unsafe ValueWriter(memory)
            write(&writer)
            unsafe append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory[..<writer.count])))
        }
    }
}
