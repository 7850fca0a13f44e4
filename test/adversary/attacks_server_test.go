package adversary

var serverAttacks []attack
