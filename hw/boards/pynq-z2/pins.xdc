# The AER port of the core: address bits 0 to 13 on the Arduino header (AR0 to AR13), bits 14 to 21
# on Pmod A, bits 22 and 23, request and acknowledge on Pmod B (JB1 to JB4), 3.3 V.  Site names are
# those of the board's published constraints.  Lines that a sensor does not have read 0.
set sites {
    T14 U12 U13 V13 V15 T15 R16 U17 V17 V18 T16 R17 P18 N17
    Y18 Y19 Y16 Y17 U18 U19 W18 W19
    W14 Y14
}
set index 0
foreach site $sites {
    set_property -dict [list PACKAGE_PIN $site IOSTANDARD LVCMOS33 PULLTYPE PULLDOWN] \
        [get_ports "aer_address\[$index\]"]
    incr index
}
set_property -dict {PACKAGE_PIN T11 IOSTANDARD LVCMOS33} [get_ports aer_request]
set_property -dict {PACKAGE_PIN T10 IOSTANDARD LVCMOS33} [get_ports aer_acknowledge]
# The request is synchronised in the core, and the address is read only when it stands still.
set_false_path -from [get_ports {aer_address[*] aer_request}]
set_false_path -to [get_ports aer_acknowledge]
