# tests/vectors/module.cmake: what others made, as test data.
#
#   weir_vectors          checks vector files; the unit tests call it with the files of this folder
#   weir_batch_vectors    the same as a program, for files from elsewhere
add_library(weir_vectors STATIC tests/vectors/batch_check.c tests/vectors/batch_check_good.c)
target_link_libraries(weir_vectors PUBLIC weir_storage weir_protocol weir_base jansson)
target_compile_definitions(weir_vectors PUBLIC WEIR_VECTORS="${CMAKE_SOURCE_DIR}/tests/vectors")
add_executable(weir_batch_vectors tests/vectors/batch_vectors.c)
target_link_libraries(weir_batch_vectors PRIVATE weir_vectors)
