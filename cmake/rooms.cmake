# A room is a folder of src/: one namespace, one library, its tests beside its code.
#
#   aloft_room(controller DEPENDS base model placement)
#
# makes, from the files of the calling folder,
#   aloft_<room>        library of every x.cc that is not a test, a fuzzer or a benchmark
#   aloft_<room>_test   one GoogleTest program of every x_test.cc   (ctest label: unit)
#   aloft_<x>           one libFuzzer program for each x_fuzz.cc, when ALOFT_FUZZERS is on
# DEPENDS names rooms, LINK names outside libraries, PRIVATE_LINK those that no header shows.
function(aloft_room room)
  cmake_parse_arguments(ROOM "" "" "DEPENDS;LINK;PRIVATE_LINK;TEST_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")

  set(rooms "")
  foreach(dependency IN LISTS ROOM_DEPENDS)
    list(APPEND rooms aloft_${dependency})
  endforeach()

  if(sources)
    add_library(aloft_${room} STATIC ${sources})
    target_include_directories(aloft_${room} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(aloft_${room} PUBLIC ${rooms} ${ROOM_LINK} PRIVATE aloft_house ${ROOM_PRIVATE_LINK})
  else()
    add_library(aloft_${room} INTERFACE)
    target_include_directories(aloft_${room} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(aloft_${room} INTERFACE ${rooms} ${ROOM_LINK})
  endif()

  if(tests)
    add_executable(aloft_${room}_test ${tests})
    target_link_libraries(aloft_${room}_test PRIVATE
      aloft_${room} aloft_house GTest::gmock GTest::gtest_main ${ROOM_TEST_LINK} ${ROOM_PRIVATE_LINK})
    add_test(NAME ${room} COMMAND aloft_${room}_test)
    set_tests_properties(${room} PROPERTIES LABELS unit TIMEOUT 600)
  endif()

  if(ALOFT_FUZZERS)
    foreach(fuzzer IN LISTS fuzzers)
      get_filename_component(name ${fuzzer} NAME_WE)
      add_executable(aloft_${name} ${fuzzer})
      target_link_libraries(aloft_${name} PRIVATE aloft_${room} aloft_house ${ROOM_PRIVATE_LINK})
      target_compile_options(aloft_${name} PRIVATE -fsanitize=fuzzer)
      target_link_options(aloft_${name} PRIVATE -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()

# A program of src/: aloft_program(aloftd aloftd.cc aloft_agent aloft_api)
function(aloft_program name source)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE aloft_house ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()
