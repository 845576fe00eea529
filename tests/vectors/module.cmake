# tests/vectors/module.cmake: what others made, as test data.
#
#   weir_vectors          checks files of message vectors; messages.jsonl.zst without a file
#   weir_batch_check      checks files of batch vectors; the unit tests call it with the files of this folder
#   weir_batch_vectors    the same as a program, for files from elsewhere
add_executable(weir_vectors tests/vectors/check.c tests/vectors/vector_file.c)
target_link_libraries(weir_vectors PRIVATE weir_protocol_json)
target_compile_definitions(weir_vectors PRIVATE WEIR_VECTORS="${CMAKE_SOURCE_DIR}/tests/vectors")

add_library(weir_batch_check STATIC tests/vectors/batch_check.c tests/vectors/batch_check_good.c)
target_link_libraries(weir_batch_check PUBLIC weir_storage weir_protocol weir_base jansson)
target_compile_definitions(weir_batch_check PUBLIC WEIR_VECTORS="${CMAKE_SOURCE_DIR}/tests/vectors")
add_executable(weir_batch_vectors tests/vectors/batch_vectors.c)
target_link_libraries(weir_batch_vectors PRIVATE weir_batch_check)
