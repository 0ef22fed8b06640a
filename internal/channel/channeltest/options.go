package channeltest

func (s *scene) optionsArrive() {}

func (s *scene) promotions() {}
