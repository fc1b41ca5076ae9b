import Glibc
import Model

/// Addresses of this machine.
enum HostAddress {
    /// An IPv4 address of an interface other than loopback; nil when there is none.
    static func outside() -> IPAddress? {
        var list: UnsafeMutablePointer<ifaddrs>?
        // Sound: the list is read before it is freed, and its texts are copied.
        guard unsafe getifaddrs(&list) == 0 else { return nil }
        defer { unsafe freeifaddrs(list) }
        var next = unsafe list
        while let entry = unsafe next?.pointee {
            unsafe next = entry.ifa_next
            guard let address = unsafe entry.ifa_addr, unsafe address.pointee.sa_family == sa_family_t(AF_INET) else {
                continue
            }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let status = unsafe getnameinfo(
                address, socklen_t(MemoryLayout<sockaddr_in>.size), &text, socklen_t(text.count), nil, 0,
                NI_NUMERICHOST)
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            guard status == 0, let found = IPAddress(String(decoding: bytes, as: UTF8.self)), !found.isLoopback else {
                continue
            }
            return found
        }
        return nil
    }
}
