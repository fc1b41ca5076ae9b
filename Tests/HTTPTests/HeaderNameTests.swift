import Testing

@testable import HTTP

struct HeaderNameTests {
    @Test func eachNameHasABitOfItsOwn() {
        let bits = HeaderName.allCases.map(\.bit)
        #expect(Set(bits).count == bits.count, "a name that shares its bit with Host is taken for a second Host")
    }
}
