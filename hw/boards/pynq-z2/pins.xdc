# The AER port of the core on the Arduino header (address bits 0 to 13 on AR0 to AR13) and on
# Pmod A (address bit 14 on JA1, request on JA2, acknowledge on JA3), 3.3 V.  Site names are
# those of the board's published constraints.  The sensor must take 3.3 V levels.
set sites {T14 U12 U13 V13 V15 T15 R16 U17 V17 V18 T16 R17 P18 N17 Y18}
foreach site $sites index {0 1 2 3 4 5 6 7 8 9 10 11 12 13 14} {
    set_property -dict [list PACKAGE_PIN $site IOSTANDARD LVCMOS33] [get_ports "aer_address\[$index\]"]
}
set_property -dict {PACKAGE_PIN Y19 IOSTANDARD LVCMOS33 PULLUP true} [get_ports aer_request]
set_property -dict {PACKAGE_PIN Y16 IOSTANDARD LVCMOS33} [get_ports aer_acknowledge]
# The request is synchronised in the core, and the address is read only when it stands still.
set_false_path -from [get_ports {aer_address[*] aer_request}]
set_false_path -to [get_ports aer_acknowledge]
