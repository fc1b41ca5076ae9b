import Proxy
import Syscalls

/// The connections of one `tunnels` frame, checked: each has its bytes, and its descriptors if this process had room for
/// them. (The kernel drops what is over the limit of open files, from the end.)
package struct Batch {
    package let states: [TunnelState]
    private let descriptors: [Descriptor.Parcel]
    private let bytes: [UInt8]
    /// Where each connection's bytes begin.
    private let offsets: [Int]

    package init(_ frame: Frame) throws {
        states = try frame.message(Tunnels.self).tunnels
        descriptors = frame.descriptors
        bytes = frame.bytes
        var offsets: [Int] = []
        var offset = 0
        for state in states {
            offsets.append(offset)
            for count in [state.up.pending, state.down.pending] {
                guard count >= 0, count <= bytes.count - offset else {
                    throw Frame.Problem.malformed("buffered bytes are missing")
                }
                offset += count
            }
        }
        self.offsets = offsets
        guard descriptors.count <= states.count * 2, offset == bytes.count else {
            throw Frame.Problem.malformed(
                "\(states.count) connections with \(descriptors.count) descriptors and \(bytes.count) bytes")
        }
    }

    /// Whether both descriptors of a connection have arrived.
    package func isWhole(_ index: Int) -> Bool { index * 2 + 1 < descriptors.count }

    /// Takes a connection's content out; nil the second time.
    package func content(_ index: Int) -> TunnelContent? {
        guard isWhole(index), let downstream = descriptors[index * 2].take(),
            let upstream = descriptors[index * 2 + 1].take()
        else {
            return nil
        }
        let middle = offsets[index] + states[index].up.pending
        return TunnelContent(
            downstream: downstream, upstream: upstream, upPending: bytes[offsets[index]..<middle],
            downPending: bytes[middle..<middle + states[index].down.pending])
    }
}
