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
    guard request.sortOrder != nil, request.sortTarget != nil else {
        throw RequestRefusal(.invalidSortOption)
    }
}
