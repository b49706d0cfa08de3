// What a request may not ask for, whatever the store holds (reference: semantics.md, errors.tsv).

import API

func checkPut(_ request: PutRequest) throws(RequestRefusal) {
    guard !request.key.isEmpty else { throw RequestRefusal(.emptyKey) }
    if request.ignoreValue && !request.value.isEmpty { throw RequestRefusal(.valueProvided) }
    if request.ignoreLease && request.lease != .none { throw RequestRefusal(.leaseProvided) }
}

func checkDeleteRange(_ request: DeleteRangeRequest) throws(RequestRefusal) {
    guard !request.key.isEmpty else { throw RequestRefusal(.emptyKey) }
}

func checkRange(_ request: RangeRequest) throws(RequestRefusal) {
    guard !request.key.isEmpty else { throw RequestRefusal(.emptyKey) }
    guard let order = request.sortOrder, let target = request.sortTarget else {
        throw RequestRefusal(.invalidSortOption)
    }
    // Keys ascending is the order of the store; every other order has to be refused until it is
    // there, for a wrong order would be a false success.
    guard target == .key, order != .descend else {
        throw RequestRefusal(Status(.unimplemented, "cairn: sorting a Range is not served yet"))
    }
    let off = Revision(0)
    guard request.minModRevision == off, request.maxModRevision == off,
        request.minCreateRevision == off, request.maxCreateRevision == off
    else {
        throw RequestRefusal(
            Status(.unimplemented, "cairn: revision filters of a Range are not served yet"))
    }
}
