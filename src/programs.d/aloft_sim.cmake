aloft_program(aloft-sim ${CMAKE_CURRENT_SOURCE_DIR}/aloft_sim.cc aloft_sim Threads::Threads)
target_sources(aloft-sim PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/aloft_sim_scenario.cc
  ${CMAKE_CURRENT_SOURCE_DIR}/aloft_sim_file.cc)
# Seeds are reproducible: the same range gives the same traces on every machine.
add_test(NAME sim_quick COMMAND aloft-sim run --seeds 1..200 --minutes 3 --jobs 2)
set_tests_properties(sim_quick PROPERTIES LABELS quick TIMEOUT 900)
add_test(NAME sim_long COMMAND aloft-sim run --seeds 1..1500 --jobs 2)
set_tests_properties(sim_long PROPERTIES LABELS sim TIMEOUT 1800)
add_test(NAME sim_dense COMMAND aloft-sim run --seeds 1..150 --guests 20 --minutes 6 --interval 6 --jobs 2)
set_tests_properties(sim_dense PROPERTIES LABELS sim TIMEOUT 900)
