print("cairn-bench is not here yet")
